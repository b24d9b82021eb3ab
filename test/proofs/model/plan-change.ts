import {
  type Customer,
  listLivePeriods,
  type Subscription,
  toMajor,
} from '../../support/customer-model.ts';
import { chooseSubscription, refused } from './choice.ts';
import { type Command, type CommandAnswer, type CommandContext, toIso } from './commands.ts';
import { computeCharge, recordChoice } from './known-prices.ts';
import { computeUnused, findPlace, refundPeriod, retryRenewalsNow } from './money.ts';
import { chargeAndExtend, computeCost } from './purchase.ts';
import { isSameTerms, setChoice } from './terms.ts';

type PlanChange = Extract<Command, { do: 'change-plan' }>;

/**
 * Changes the plan at the next renewal, or now. Now refunds the unused time and starts a period.
 */
export function changePlan(
  customer: Customer,
  command: PlanChange,
  context: CommandContext,
): CommandAnswer {
  const { now } = context;
  const chosen = chooseSubscription(customer, command.sub);
  if ('refused' in chosen) return chosen;
  const { place } = chosen;
  const sub = customer.subs[place] as Subscription;
  const remaining = listLivePeriods(customer, place).filter((period) => period.endsAt > now);
  const cost = computeCost(customer, command, context);
  const credited = remaining.reduce((sum, period) => sum + computeUnused(period, now), 0);
  const reasons: string[] = [];
  if (sub.kind === 'trial') reasons.push('is_trial');
  if (sub.state !== 'active' || sub.expiresAt <= now) reasons.push('not_running');
  if (cost === null) reasons.push('no_price');
  if (command.when === 'now') {
    const free = remaining.some((period) => period.charge === null);
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
      credited: toMajor(credit),
      amount: toMajor(amount),
      balance: toMajor(customer.balance),
      expires_at: toIso(sub.expiresAt),
    },
  });
  if (command.when === 'next') {
    const isInForce = isSameTerms(command, sub);
    const price = { price: cost.amount, now };
    const amount = isInForce ? computeCharge(customer, place, { plan, days }, price) : cost.amount;
    setChoice(customer, place, { plan, days });
    if (!isInForce) recordChoice(sub, { plan, days }, cost.amount, now);
    retryRenewalsNow(customer, now);
    customer.events.push('plan_chosen');
    return answer(0, amount);
  }
  const balanceBefore = customer.balance;
  for (const period of remaining) {
    const amount = computeUnused(period, now);
    refundPeriod(customer, period, amount, now);
    if (amount === 0) continue;
    customer.notices.push(`refund of ${findPlace(customer, period)} for ${toMajor(amount)}`);
    customer.events.push('refunded');
  }
  sub.expiresAt = now;
  sub.choice = null;
  chargeAndExtend(customer, place, { plan, days }, { cost, action: 'extended', now });
  // Every increase of the balance retries waiting renewals.
  if (customer.balance > balanceBefore) retryRenewalsNow(customer, now);
  customer.events.push('plan_changed');
  return answer(credited);
}
