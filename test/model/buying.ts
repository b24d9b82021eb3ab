import {
  type Customer,
  day,
  livePeriods,
  minute,
  type Period,
  type Sub,
  type Terms,
} from './books-of.ts';
import { choose, refused } from './choosing.ts';
import { type Command, iso, major, type Surroundings, type Told } from './commands.ts';
import { forget } from './known.ts';
import { move, newSub, open, payIn, release, takeOut, wake } from './money.ts';
import { listPrice, percentOf, priceFor } from './prices.ts';
import { tellEnd, tellRefund } from './refunds.ts';
import { refusedPayment } from './reversals.ts';
import { follow, lastTerms } from './terms.ts';

type Purchase = Extract<Command, { do: 'purchase' }>;

/** A price with the figures that made it. */
export interface Cost {
  readonly list: number;
  readonly percent: number;
  readonly amount: number;
}

/** Null: there is no price now. */
export function costOf(
  customer: Customer,
  { plan, days }: Terms,
  { now, prices }: Surroundings,
): Cost | null {
  const list = listPrice(prices, plan, days, now);
  if (list === null) return null;
  return { list, percent: percentOf(customer), amount: priceFor(customer, list) };
}

/** Extends or revives the named one, converts a running trial in place, or makes a new one. */
export function buy(customer: Customer, command: Purchase, around: Surroundings): Told {
  const { now } = around;
  const reasons: string[] = [];
  const cost = costOf(customer, command, around);
  const { pay } = command;
  if (pay !== undefined) reasons.push(...refusedPayment(customer, pay.payment));
  const paid = pay === undefined ? 0 : pay.amount - Math.min(pay.amount, customer.claim);
  if (cost === null) reasons.push('no_price');

  const chosen = chooseToBuy(customer, command);
  const money = customer.balance + paid;
  const undone =
    cost === null ? [] : toUndo(customer, cost.amount - money, chosen, command.plan, now);
  const returned = undone.reduce((sum, { amount }) => sum + amount, 0);
  if (cost !== null && cost.amount > money + returned) reasons.push('short_balance');
  if ('refused' in chosen) reasons.push(...chosen.refused);
  else if (chosen.place !== 'new') {
    const sub = customer.subs[chosen.place] as Sub;
    const isUndone = undone.some((period) => period.sub === chosen.place);
    const runs = sub.state === 'active' && sub.expiresAt > now && !isUndone;
    if (sub.state === 'revoked') reasons.push('revoked');
    const { plan } = lastTerms(customer, chosen.place);
    if (sub.kind === 'paid' && runs && plan !== command.plan) reasons.push('other_plan');
  }
  if (reasons.length > 0 || cost === null || 'refused' in chosen) return refused(...reasons);

  const { place } = chosen;
  if (pay !== undefined) {
    payIn(customer, pay.amount, pay.payment, now);
    customer.events.push('topped_up');
  }
  for (const period of undone) undo(customer, period, now);
  // What is left of the payment may pay for another subscription.
  const finish = (told: Told): Told => {
    if (pay !== undefined) wake(customer, now);
    return told;
  };
  if (place === 'new') {
    const sub = newSub(command.plan, command.days, now, command.autoRenew ?? true);
    customer.subs.push(sub);
    return finish(sell(customer, customer.subs.length - 1, command, { cost, action: 'new', now }));
  }
  const sub = customer.subs[place] as Sub;
  const action =
    sub.state === 'expired' ? 'revived' : sub.kind === 'trial' ? 'converted' : 'extended';
  if (sub.kind === 'trial') sub.autoRenew = command.autoRenew ?? true;
  return finish(sell(customer, place, command, { cost, action, now }));
}

function chooseToBuy(customer: Customer, { sub }: Purchase) {
  if (sub === 'new') return { place: 'new' as const };
  if (sub !== 'meant') return choose(customer, sub);
  const buyable = (place: number) => customer.subs[place]?.state !== 'revoked';
  if (!customer.subs.some((_, place) => buyable(place))) return { place: 'new' as const };
  return choose(customer, 'meant', buyable);
}

/**
 * The customer paid for this purchase less than 10 minutes ago, and the money revived another
 * subscription meanwhile. Those charges go back, the newest first, if that pays for the purchase. The
 * charge of the subscription that is bought anew for another plan goes back in any case.
 */
function toUndo(
  customer: Customer,
  missing: number,
  chosen: ReturnType<typeof chooseToBuy>,
  plan: string,
  now: number,
): Period[] {
  const revived = customer.subs.flatMap((sub, place) => {
    const [last] = livePeriods(customer, place);
    if (sub.state !== 'active' || sub.paidAt === null || last?.source !== 'renewal') return [];
    const isRecent = sub.paidAt >= now - 10 * minute && last.startsAt >= sub.paidAt;
    return isRecent ? [last] : [];
  });
  const newestFirst = revived.sort((a, b) => Number(b.charge) - Number(a.charge));
  const isOwn = (period: Period) =>
    'place' in chosen && chosen.place === period.sub && period.plan !== plan;
  const own = newestFirst.filter(isOwn);
  const undone = [...own];
  const sum = () => undone.reduce((all, { amount }) => all + amount, 0);
  for (const period of newestFirst.filter((one) => !isOwn(one))) {
    if (missing <= sum()) break;
    undone.push(period);
  }
  return missing <= sum() ? undone : own;
}

function undo(customer: Customer, period: Period, now: number): void {
  takeOut(customer, period, period.amount, now);
  (customer.subs[period.sub] as Sub).nextTryAt = Infinity;
  tellRefund(customer, period, period.amount);
  tellEnd(customer, period.sub);
}

export interface Sale {
  readonly cost: Cost;
  readonly action: string;
  readonly now: number;
}

/** Sells a period that starts at the end, or now if the end is past. */
export function sell(customer: Customer, place: number, wanted: Terms, sale: Sale): Told {
  const { cost, action, now } = sale;
  const { plan, days } = wanted;
  const { amount, list, percent } = cost;
  const sub = customer.subs[place] as Sub;
  const startsAt = Math.max(now, sub.expiresAt);
  const endsAt = startsAt + days * day;
  const charge = move(customer, -amount, 'purchase', now);
  const price = { amount, list, percent, cap: null, charge, refundedAt: null, refund: null };
  const time = { plan, days, startsAt, endsAt, movedFrom: null, kind: null, partOf: null };
  customer.periods.push({ sub: place, source: 'purchase', ...time, ...price });
  Object.assign(sub, { state: 'active', nextTryAt: null });
  follow(customer, place, now);
  forget(sub, wanted, now);
  release(customer);
  open(sub, now);
  customer.notices.push(`receipt of ${charge} for ${major(amount)}`);
  customer.events.push('purchased');
  return {
    ok: {
      subscription_id: place,
      action,
      plan,
      period_days: days,
      starts_at: iso(startsAt),
      ends_at: iso(endsAt),
      amount: major(amount),
      balance: major(customer.balance),
      ledger_entry_id: charge,
    },
  };
}
