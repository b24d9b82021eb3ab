import { type Customer, livePeriods, type Period, type Sub } from './books-of.ts';

// Which plan and length a subscription has, by its periods.
//
// Plan and length belong to the period that runs. What was refunded gives no terms. When nothing
// runs, the last period that is not refunded gives them. A grant goes on with the length before it.
// The part of a refunded period that had passed stays as a period: it gives terms only if money
// was paid for it and nothing else is left but a trial.

export interface Terms {
  readonly plan: string;
  readonly days: number;
}

export interface TermsOf {
  readonly running: Terms | undefined;
  readonly last: Terms;
  readonly kind: Sub['kind'];
}

const same = (one: Terms, other: Terms) => one.plan === other.plan && one.days === other.days;

export function termsOf(customer: Customer, place: number, now: number): TermsOf {
  const sub = customer.subs[place] as Sub;
  let length = sub.days;
  const live = livePeriods(customer, place)
    .reverse()
    .map((period) => {
      length = period.days ?? length;
      return { period, plan: period.plan, days: length };
    });
  const isTrial = ({ source, kind }: Period) => source === 'trial' || kind === 'trial';
  const sold = live.filter(({ period }) => period.partOf === null && !isTrial(period));
  const kept = live.filter(({ period }) => wasPaid(customer, period));
  const tried = live.filter(({ period }) => period.partOf === null);
  const last = [sold, kept, tried].find((list) => list.length > 0)?.at(-1);
  const running = live.find(({ period }) => period.startsAt <= now && now < period.endsAt);
  const kind = last === undefined ? sub.kind : isTrial(last.period) ? 'trial' : 'paid';
  return { running, last: last ?? sub, kind };
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
