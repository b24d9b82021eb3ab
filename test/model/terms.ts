import { type Customer, livePeriods, type Period, type Sub } from './books-of.ts';

// Which plan and length a subscription has, by its periods.
//
// Plan and length belong to the period that runs. What was refunded gives no terms. When nothing
// runs, the last period that is not refunded gives them. A grant goes on with the length that was
// in use before it; a gift of paid time does not take the length of a trial, if any other is there.
// The part of a refunded period that had passed stays as a period: it gives terms only if money
// was paid for it and nothing else is left but a trial.

export interface Terms {
  readonly plan: string;
  readonly days: number;
}

interface Lasting extends Terms {
  readonly period: Period;
}

export interface TermsOf {
  readonly running: Terms | undefined;
  readonly last: Terms;
  readonly kind: Sub['kind'];
}

const same = (one: Terms, other: Terms) => one.plan === other.plan && one.days === other.days;

export function termsOf(customer: Customer, place: number, now: number): TermsOf {
  const sub = customer.subs[place] as Sub;
  const live: Lasting[] = [];
  for (const period of livePeriods(customer, place).reverse()) {
    const days = period.days ?? before(customer, live, period) ?? sub.days;
    live.push({ period, plan: period.plan, days });
  }
  const last = lastOf(customer, live);
  const running = live.find(({ period }) => period.startsAt <= now && now < period.endsAt);
  const kind = last === undefined ? sub.kind : isTrial(last.period) ? 'trial' : 'paid';
  return { running, last: last ?? sub, kind };
}

const isTrial = ({ source, kind }: Period) => source === 'trial' || kind === 'trial';

/** Of these, in the order of their starts, the one that says how it goes on. */
function lastOf(customer: Customer, live: readonly Lasting[]): Lasting | undefined {
  const sold = live.filter(({ period }) => period.partOf === null && !isTrial(period));
  const kept = live.filter(({ period }) => wasPaid(customer, period));
  const tried = live.filter(({ period }) => period.partOf === null);
  return [sold, kept, tried].find((list) => list.length > 0)?.at(-1);
}

/** How long the periods were that a grant follows. */
function before(customer: Customer, live: readonly Lasting[], gift: Period): number | undefined {
  const last = lastOf(customer, live);
  if (last === undefined || isTrial(last.period) === isTrial(gift)) return last?.days;
  return (live.findLast(({ period }) => period.partOf !== null) ?? last).days;
}

function wasPaid(customer: Customer, { partOf }: Period): boolean {
  if (partOf === null) return false;
  const { amount, refund } = customer.periods[partOf] as Period;
  return amount > (refund === null ? 0 : (customer.ledger[refund]?.amount ?? 0));
}

/**
 * After the periods changed. What the customer chose for the next period stays chosen; without a
 * choice the next one is like the last. @param before the last terms before the change
 */
export function settle(customer: Customer, place: number, now: number, before: Terms): void {
  const sub = customer.subs[place] as Sub;
  const after = termsOf(customer, place, now);
  const { plan, days } = after.running ?? after.last;
  const wanted = sub.next ?? { plan: sub.plan, days: sub.days };
  const next = same(wanted, before) ? after.last : wanted;
  Object.assign(sub, { plan, days });
  sub.next = same(next, sub) ? null : { plan: next.plan, days: next.days };
}

/** A period that has begun brings its terms. */
export function begin(customer: Customer, place: number, now: number): void {
  const sub = customer.subs[place] as Sub;
  const { plan, days } = sub;
  settle(customer, place, now, termsOf(customer, place, now).last);
  if (!same(sub, { plan, days })) customer.events.push('terms_changed');
}

/** The later periods after one that was given back: each as early as it can be. */
export function moveUp(customer: Customer, gone: Period, now: number): void {
  if (gone.endsAt <= now) return;
  let from = Math.max(now, gone.startsAt);
  const behind = livePeriods(customer, gone.sub).filter((one) => one.startsAt >= gone.endsAt);
  for (const period of behind.reverse()) {
    const length = period.endsAt - period.startsAt;
    if (period.startsAt > from) {
      Object.assign(period, { startsAt: from, endsAt: from + length });
      customer.events.push('period_moved');
    }
    from += length;
  }
}
