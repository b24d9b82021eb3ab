import { type Customer, livePeriods, type Sub } from './books-of.ts';
import { costOf, sell } from './buying.ts';
import { choose, refused } from './choosing.ts';
import { type Command, iso, major, type Surroundings, type Told } from './commands.ts';
import { chargeOf, learnChoice } from './known.ts';
import { giveBack, placeOf, unused, wake } from './money.ts';
import { chooseNext, same } from './terms.ts';

type PlanChange = Extract<Command, { do: 'change-plan' }>;

/** At the next renewal; or now: the unused time is a refund, and a new period starts now. */
export function changePlan(customer: Customer, command: PlanChange, around: Surroundings): Told {
  const { now } = around;
  const chosen = choose(customer, command.sub);
  if ('refused' in chosen) return chosen;
  const { place } = chosen;
  const sub = customer.subs[place] as Sub;
  const toCome = livePeriods(customer, place).filter((period) => period.endsAt > now);
  const cost = costOf(customer, command, around);
  const credited = toCome.reduce((sum, period) => sum + unused(period, now), 0);
  const reasons: string[] = [];
  if (sub.kind === 'trial') reasons.push('is_trial');
  if (sub.state !== 'active' || sub.expiresAt <= now) reasons.push('not_running');
  if (cost === null) reasons.push('no_price');
  if (command.when === 'now') {
    const free = toCome.some((period) => period.charge === null);
    if (free && !command.forfeit) reasons.push('unpriced_time');
    if (cost !== null && cost.amount > customer.balance + credited) reasons.push('short_balance');
  }
  if (reasons.length > 0 || cost === null) return refused(...reasons);
  const { plan, days } = command;
  const answer = (credit: number, amount = cost.amount) => ({
    ok: {
      subscription_id: place,
      when: command.when,
      plan,
      period_days: days,
      credited: major(credit),
      amount: major(amount),
      balance: major(customer.balance),
      expires_at: iso(sub.expiresAt),
    },
  });
  if (command.when === 'next') {
    const isInForce = same(command, sub);
    const price = { price: cost.amount, now };
    const amount = isInForce ? chargeOf(customer, place, { plan, days }, price) : cost.amount;
    chooseNext(customer, place, { plan, days });
    if (!isInForce) learnChoice(sub, { plan, days }, cost.amount, now);
    wake(customer, now);
    customer.events.push('plan_chosen');
    return answer(0, amount);
  }
  const balanceBefore = customer.balance;
  for (const period of toCome) {
    const amount = unused(period, now);
    giveBack(customer, period, amount, now);
    if (amount === 0) continue;
    customer.notices.push(`refund of ${placeOf(customer, period)} for ${major(amount)}`);
    customer.events.push('refunded');
  }
  sub.expiresAt = now;
  sub.choice = null;
  sell(customer, place, { plan, days }, { cost, action: 'extended', now });
  // Everything that raises the balance lets what waits be tried again.
  if (customer.balance > balanceBefore) wake(customer, now);
  customer.events.push('plan_changed');
  return answer(credited);
}
