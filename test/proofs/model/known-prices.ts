import {
  type Customer,
  day,
  type Period,
  type PriceStatement,
  type Subscription,
  type Terms,
} from '../../support/customer-model.ts';
import type { CommandContext } from './commands.ts';
import { computePrice, findListPrice } from './prices.ts';
import { computeLastTerms, isSameTerms } from './terms.ts';

// The amounts that a customer knows. A renewal charges at most the greatest of them:
//
// 1. The amount of the last charge for the same plan and length. A charge that was not refunded
//    counts before one that was.
// 2. Each stated amount: that of the answer to a choice at once, that of a message after 24 h.
//
// Without any of these, it charges at most the least of the first terms of granted time and of the
// messages of the last 24 h. Without those, it charges the current price. A payment replaces the
// statements that counted by then. A choice replaces all statements of its terms. A message of a
// new price replaces earlier messages with an equal or a greater amount.

/** `renewal.notice`. */
const noticeMs = day;

/** A message of the last 24 h is for a later period. */
const isLate = ({ source, at }: PriceStatement, now: number): boolean =>
  source === 'message' && now < at + noticeMs;

/** A message, or the answer to a choice. The first terms of granted time were not stated. */
const isStated = ({ source }: PriceStatement): boolean => source !== 'terms';

const hasTerms = (wanted: Terms, { plan, days, charge }: Period): boolean =>
  charge !== null && plan === wanted.plan && days === wanted.days;

function findLastCharge(customer: Customer, place: number, wanted: Terms): Period | undefined {
  const charged = customer.periods
    .filter((period) => period.sub === place && hasTerms(wanted, period))
    .sort((a, b) => a.startsAt - b.startsAt);
  return charged.findLast(({ refundedAt }) => refundedAt === null) ?? charged.at(-1);
}

/** The charge of a renewal at `now` with this price. */
export function computeCharge(
  customer: Customer,
  place: number,
  wanted: Terms,
  { price, now }: { readonly price: number; readonly now: number },
): number {
  const { known } = customer.subs[place] as Subscription;
  const ofTerms = known.filter((one) => isSameTerms(one, wanted));
  const amounts = ofTerms
    .filter((one) => isStated(one) && !isLate(one, now))
    .map(({ amount }) => amount);
  const paid = findLastCharge(customer, place, wanted);
  if (paid !== undefined) amounts.push(paid.amount);
  if (amounts.length > 0) return Math.min(price, Math.max(...amounts));
  return Math.min(price, ...ofTerms.map(({ amount }) => amount));
}

/** Whether the customer ever paid for these terms, or an amount was stated. */
export const isAware = (customer: Customer, place: number, wanted: Terms): boolean =>
  findLastCharge(customer, place, wanted) !== undefined ||
  (customer.subs[place] as Subscription).known.some(
    (one) => isSameTerms(one, wanted) && isStated(one),
  );

/** A payment at `now` replaces the statements that counted for its plan and length. */
export function forgetPaid(sub: Subscription, paid: Terms, now: number): void {
  sub.known = sub.known.filter((one) => !isSameTerms(one, paid) || isLate(one, now));
}

/** The answer to the customer's choice of another plan or length states its price. */
export function recordChoice(sub: Subscription, terms: Terms, amount: number, now: number): void {
  sub.known = sub.known.filter((one) => !isSameTerms(one, terms));
  sub.known.push({ ...terms, amount, source: 'choice', at: now });
}

/** A message about a new price was sent. */
export function recordMessage(sub: Subscription, terms: Terms, amount: number, now: number): void {
  const isReplaced = (one: PriceStatement) =>
    isSameTerms(one, terms) && one.source === 'message' && one.amount >= amount;
  sub.known = sub.known.filter((one) => !isReplaced(one));
  sub.known.push({ ...terms, amount, source: 'message', at: now });
}

/** The price at a grant is the first amount of a paid subscription, if none was known. */
export function recordFirstTerms(
  customer: Customer,
  place: number,
  { now, prices }: CommandContext,
): void {
  const sub = customer.subs[place] as Subscription;
  const { plan, days } = computeLastTerms(customer, place);
  const list = findListPrice(prices, plan, days, now);
  const isKnown = sub.known.some((one) => isSameTerms(one, { plan, days }));
  const wasPaid = findLastCharge(customer, place, { plan, days }) !== undefined;
  if (sub.kind !== 'paid' || list === null || isKnown || wasPaid) return;
  sub.known.push({ plan, days, amount: computePrice(customer, list), source: 'terms', at: now });
}
