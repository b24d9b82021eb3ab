import { type Customer, day, livePeriods, type Sub } from './books-of.ts';
import { choose, refused } from './choosing.ts';
import { type Command, iso, major, type Surroundings, type Told } from './commands.ts';
import { chargeOf, forget, learnChoice } from './known.ts';
import { giveBack, move, newSub, open, placeOf, release, unused, wake } from './money.ts';
import { listPrice, priceFor } from './prices.ts';
import { settle, termsOf } from './terms.ts';

type Purchase = Extract<Command, { do: 'purchase' }>;
type PlanChange = Extract<Command, { do: 'change-plan' }>;
type Wanted = { readonly plan: string; readonly days: number };

function costOf(customer: Customer, { plan, days }: Wanted, { now, prices }: Surroundings) {
  const list = listPrice(prices, plan, days, now);
  return list === null ? null : priceFor(customer, list);
}

/** Extends or revives the named one, converts a running trial in place, or makes a new one. */
export function buy(customer: Customer, command: Purchase, around: Surroundings): Told {
  const { now } = around;
  const reasons: string[] = [];
  const price = costOf(customer, command, around);
  if (price === null) reasons.push('no_price');
  else if (price > customer.balance) reasons.push('short_balance');

  const chosen = chooseToBuy(customer, command);
  if ('refused' in chosen) reasons.push(...chosen.refused);
  else if (chosen.place !== 'new') {
    const sub = customer.subs[chosen.place] as Sub;
    const runs = sub.state === 'active' && sub.expiresAt > now;
    if (sub.state === 'revoked') reasons.push('revoked');
    const { last } = termsOf(customer, chosen.place, now);
    if (sub.kind === 'paid' && runs && last.plan !== command.plan) reasons.push('other_plan');
  }
  if (reasons.length > 0 || price === null || 'refused' in chosen) return refused(...reasons);

  const { place } = chosen;
  if (place === 'new') {
    const sub = newSub(command.plan, command.days, now, command.autoRenew ?? true);
    customer.subs.push(sub);
    return sell(customer, customer.subs.length - 1, command, { price, action: 'new', now });
  }
  const sub = customer.subs[place] as Sub;
  const action =
    sub.state === 'expired' ? 'revived' : sub.kind === 'trial' ? 'converted' : 'extended';
  if (sub.kind === 'trial') sub.autoRenew = command.autoRenew ?? true;
  return sell(customer, place, command, { price, action, now });
}

function chooseToBuy(customer: Customer, { sub }: Purchase) {
  if (sub === 'new') return { place: 'new' as const };
  if (sub !== 'meant') return choose(customer, sub);
  const buyable = (place: number) => customer.subs[place]?.state !== 'revoked';
  if (!customer.subs.some((_, place) => buyable(place))) return { place: 'new' as const };
  return choose(customer, 'meant', buyable);
}

interface Sale {
  readonly price: number;
  readonly action: string;
  readonly now: number;
}

function sell(customer: Customer, place: number, wanted: Wanted, sale: Sale): Told {
  const { price, action, now } = sale;
  const { plan, days } = wanted;
  const sub = customer.subs[place] as Sub;
  const startsAt = Math.max(now, sub.expiresAt);
  const endsAt = startsAt + days * day;
  const before = termsOf(customer, place, now).last;
  const charge = move(customer, -price, 'purchase');
  const sold = { days, kind: null, partOf: null };
  const paid = { ...sold, amount: price, charge, refundedAt: null, refund: null };
  customer.periods.push({ sub: place, source: 'purchase', plan, startsAt, endsAt, ...paid });
  settle(customer, place, now, before);
  Object.assign(sub, { kind: 'paid', state: 'active', expiresAt: endsAt });
  sub.nextTryAt = null;
  forget(sub, wanted);
  release(customer);
  open(sub, now);
  customer.notices.push(`receipt of ${charge}`);
  customer.events.push('purchased');
  return {
    ok: {
      subscription_id: place,
      action,
      plan,
      period_days: days,
      starts_at: iso(startsAt),
      ends_at: iso(endsAt),
      amount: major(price),
      balance: major(customer.balance),
      ledger_entry_id: charge,
    },
  };
}

/** At the next renewal; or now: the unused time is a refund, and a new period starts now. */
export function changePlan(customer: Customer, command: PlanChange, around: Surroundings): Told {
  const { now } = around;
  const chosen = choose(customer, command.sub);
  if ('refused' in chosen) return chosen;
  const sub = customer.subs[chosen.place] as Sub;
  const toCome = livePeriods(customer, chosen.place).filter((period) => period.endsAt > now);
  const price = costOf(customer, command, around);
  const credited = toCome.reduce((sum, period) => sum + unused(period, now), 0);
  const reasons: string[] = [];
  if (sub.kind === 'trial') reasons.push('is_trial');
  if (sub.state !== 'active' || sub.expiresAt <= now) reasons.push('not_running');
  if (price === null) reasons.push('no_price');
  if (command.when === 'now') {
    const free = toCome.some((period) => period.charge === null);
    if (free && !command.forfeit) reasons.push('unpriced_time');
    if (price !== null && price > customer.balance + credited) reasons.push('short_balance');
  }
  if (reasons.length > 0 || price === null) return refused(...reasons);
  const answer = (credit: number, amount = price) => ({
    ok: {
      subscription_id: chosen.place,
      when: command.when,
      plan: command.plan,
      period_days: command.days,
      credited: major(credit),
      amount: major(amount),
      balance: major(customer.balance),
      expires_at: iso(sub.expiresAt),
    },
  });
  if (command.when === 'next') {
    const same = command.plan === sub.plan && command.days === sub.days;
    sub.next = same ? null : { plan: command.plan, days: command.days };
    const amount = same ? chargeOf(customer, chosen.place, command, price) : price;
    if (!same) learnChoice(sub, command, price);
    wake(customer, now);
    customer.events.push('plan_chosen');
    return answer(0, amount);
  }
  const balanceBefore = customer.balance;
  for (const period of toCome) {
    const amount = unused(period, now);
    giveBack(customer, period, amount, now);
    if (amount === 0) continue;
    customer.notices.push(`refund of ${placeOf(customer, period)}`);
    customer.events.push('refunded');
  }
  sub.expiresAt = now;
  sell(customer, chosen.place, command, { price, action: 'extended', now });
  sub.next = null;
  // Everything that raises the balance lets what waits be tried again.
  if (customer.balance > balanceBefore) wake(customer, now);
  customer.events.push('plan_changed');
  return answer(credited);
}
