import { type Customer, day, livePeriods, type Period, type Sub } from './books-of.ts';
import type { Surroundings } from './commands.ts';
import { listPrice, priceFor } from './prices.ts';
import { termsOf } from './terms.ts';

// Which amounts a customer knows, from the requirement: a renewal takes no more than the amount
// that was paid last for the same plan and length, or an amount that the customer was notified of.
// Messages are not part of the sequences, so only own choices and first terms are.

interface Wanted {
  readonly plan: string;
  readonly days: number;
}

const isOf = ({ plan, days }: Wanted, period: Period): boolean =>
  period.charge !== null &&
  period.plan === plan &&
  Math.round((period.endsAt - period.startsAt) / day) === days;

/** The latest charge that was not refunded, else the latest one that was. */
function lastPaid(customer: Customer, place: number, wanted: Wanted): number | undefined {
  const kept = livePeriods(customer, place).find((period) => isOf(wanted, period));
  const refunded = customer.periods
    .filter((period) => period.sub === place && period.refundedAt !== null && isOf(wanted, period))
    .sort((a, b) => b.startsAt - a.startsAt)[0];
  return (kept ?? refunded)?.amount;
}

/** What a renewal takes that costs `price`. */
export function chargeOf(customer: Customer, place: number, wanted: Wanted, price: number): number {
  const { known } = customer.subs[place] as Sub;
  const amounts = known.filter((one) => isSame(one, wanted)).map(({ amount }) => amount);
  const paid = lastPaid(customer, place, wanted);
  if (paid !== undefined) amounts.push(paid);
  return amounts.length === 0 ? price : Math.min(price, Math.max(...amounts));
}

const isSame = (one: Wanted, other: Wanted): boolean =>
  one.plan === other.plan && one.days === other.days;

/** A payment, or a choice, replaces what was known of its plan and length. */
export function forget(sub: Sub, wanted: Wanted): void {
  sub.known = sub.known.filter((one) => !isSame(one, wanted));
}

/** The answer to the customer's choice of another plan or length states its price. */
export function learnChoice(sub: Sub, { plan, days }: Wanted, amount: number): void {
  forget(sub, { plan, days });
  sub.known.push({ plan, days, amount });
}

/** The price at a grant is the first amount of a paid subscription, if none was known. */
export function learnTerms(customer: Customer, place: number, { now, prices }: Surroundings): void {
  const sub = customer.subs[place] as Sub;
  const { last } = termsOf(customer, place, now);
  const { plan, days } = last;
  const list = listPrice(prices, plan, days, now);
  const isKnown = sub.known.some((one) => isSame(one, last));
  const wasPaid = customer.periods.some((period) => period.sub === place && isOf(last, period));
  if (sub.kind !== 'paid' || list === null || isKnown || wasPaid) return;
  sub.known.push({ plan, days, amount: priceFor(customer, list) });
}
