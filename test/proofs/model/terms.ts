import {
  type Customer,
  listLivePeriods,
  type Period,
  type Subscription,
  type Terms,
} from '../../support/customer-model.ts';

// Terms (plan and length), kind and end of a subscription. All are computed from the list of
// periods and the choice of the customer, without earlier state.
//
// 1. Each period has the terms that were sold with it.
// 2. A grant has a plan and no length. It repeats the length of the decisive period before it.
//    After only a trial, paid time repeats the length that was sold last before the grant, even if
//    that was refunded.
// 3. The running period is in force. If none is running, the decisive period is.
// 4. The decisive period is the last one of the best existing rank:
// - First: it was sold or granted, and it is not refunded.
// - Second: the used part of a period, if some of its money was kept.
// - Third: a trial. The used part of a wholly refunded period decides nothing.
// 5. The next renewal takes the terms of the decisive period, unless the customer chose others. A
//    choice ends when the decisive period has its terms.
// 6. The end is the end of the last period. Without periods, it is the time of the first start.

const rankPeriod = (customer: Customer, period: Period): number => {
  if (period.partOf !== null) return hasKeptMoney(customer, period.partOf) ? 2 : 0;
  return isTrial(period) ? 1 : 3;
};

const isTrial = ({ source, kind }: Period) => source === 'trial' || kind === 'trial';

function hasKeptMoney(customer: Customer, place: number): boolean {
  const { amount, refund } = customer.periods[place] as Period;
  return amount > (refund === null ? 0 : (customer.ledger[refund]?.amount ?? 0));
}

/** The decisive one of these periods, or undefined. */
function findDecisive(customer: Customer, periods: readonly Period[]): Period | undefined {
  const rank = (period: Period) => rankPeriod(customer, period);
  const best = Math.max(0, ...periods.map(rank));
  const equals = periods.filter((period) => best > 0 && rank(period) === best);
  return equals.sort((a, b) => a.startsAt - b.startsAt).at(-1);
}

/** Rules 1 and 2. `among` are the periods that count. */
function computePeriodTerms(customer: Customer, period: Period, among: readonly Period[]): Terms {
  const { plan, days } = period;
  if (days !== null) return { plan, days };
  const before = among.filter(({ startsAt }) => startsAt < period.startsAt);
  const last = findDecisive(customer, before);
  if (!isTrial(period) && (last === undefined || isTrial(last))) {
    const soldBefore = customer.periods
      .slice(0, customer.periods.indexOf(period))
      .findLast(({ sub, charge, refundedAt }) => {
        return sub === period.sub && charge !== null && refundedAt !== null;
      });
    if (soldBefore?.days) return { plan, days: soldBefore.days };
  }
  const shown = (customer.subs[period.sub] as Subscription).days;
  return {
    plan,
    days: last === undefined ? shown : computePeriodTerms(customer, last, before).days,
  };
}

export const isSameTerms = (one: Terms, other: Terms) =>
  one.plan === other.plan && one.days === other.days;

const findPeriodAt = (periods: readonly Period[], now: number) =>
  periods.find((period) => period.startsAt <= now && now < period.endsAt);

/** The terms of the decisive period. */
export function computeLastTerms(customer: Customer, place: number): Terms {
  const periods = listLivePeriods(customer, place);
  const found = findDecisive(customer, periods);
  if (found !== undefined) return computePeriodTerms(customer, found, periods);
  const { plan, days } = customer.subs[place] as Subscription;
  return { plan, days };
}

/** The terms of the next renewal. */
export function computeNextTerms(customer: Customer, place: number): Terms {
  return (customer.subs[place] as Subscription).choice ?? computeLastTerms(customer, place);
}

/** Rule 6. */
export function computeEnd(customer: Customer, place: number): number {
  const ends = listLivePeriods(customer, place).map(({ endsAt }) => endsAt);
  return ends.length === 0 ? (customer.subs[place] as Subscription).startedAt : Math.max(...ends);
}

/**
 * Computes all fields of a subscription that depend on its periods.
 * @param later a renewal that begins later; the terms in force stay until then
 */
export function updateFromPeriods(
  customer: Customer,
  place: number,
  now: number,
  later?: Period,
): void {
  const sub = customer.subs[place] as Subscription;
  const periods = listLivePeriods(customer, place);
  const last = findDecisive(customer, periods);
  const running = findPeriodAt(periods, now);
  const lasting = computeLastTerms(customer, place);
  const termsOf = (period: Period) => computePeriodTerms(customer, period, periods);
  const { plan, days } = sub;
  const inForce = running === undefined ? lasting : termsOf(running);
  const shown = later === undefined ? inForce : { plan, days };
  const changes = periods
    .filter((period) => period.startsAt > now || period === later)
    .filter((period) => !isSameTerms(termsOf(period), shown))
    .map(({ startsAt }) => startsAt);
  Object.assign(sub, {
    shownAt: now,
    kind: last === undefined ? sub.kind : isTrial(last) ? 'trial' : 'paid',
    plan: shown.plan,
    days: shown.days,
    changesAt: changes.length === 0 ? null : Math.min(...changes),
    expiresAt: computeEnd(customer, place),
  });
  setChoice(customer, place, sub.choice ?? null);
}

/** Rule 5: the choice of the customer for the next renewal, or null. */
export function setChoice(customer: Customer, place: number, choice: Terms | null): void {
  const sub = customer.subs[place] as Subscription;
  const lasting = computeLastTerms(customer, place);
  sub.choice = choice === null || isSameTerms(choice, lasting) ? null : choice;
  const { plan, days } = sub.choice ?? lasting;
  sub.next = isSameTerms({ plan, days }, sub) ? null : { plan, days };
}
