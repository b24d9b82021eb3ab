import type { RawEntry, RawPeriod, RawRows } from './rows.ts';

// The figures of a month, computed from raw rows and from docs/report.md, without the program.
//
// Amounts are computed for each customer, period and day, one by one. Earned time is added up day
// by day, so the comparison also shows that the days of a month add up to the month.

const dayMs = 86_400_000;
const chargeKinds = ['purchase', 'renewal'];

interface Charge {
  readonly id: bigint;
  readonly customer: bigint;
  readonly sub: bigint;
  readonly amount: bigint;
  readonly at: number;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly refundedAt: number;
  readonly refunded: bigint;
}

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((one, next) => one + next, 0n);

/** All currencies of the tests have two digits. */
function toMajor(minor: bigint): string {
  const sign = minor < 0n ? '-' : '';
  const digits = String(minor < 0n ? -minor : minor).padStart(3, '0');
  return `${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

function toCharges({ entries, periods }: RawRows): Charge[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  return periods.flatMap(({ charge, refund, refundedAt, ...period }: RawPeriod) => {
    const entry = charge === null ? undefined : byId.get(charge);
    if (entry === undefined) return [];
    return [
      {
        ...period,
        amount: -entry.amount,
        at: entry.at,
        refundedAt: refundedAt ?? Number.POSITIVE_INFINITY,
        refunded: refund === null ? 0n : (byId.get(refund)?.amount ?? 0n),
      },
    ];
  });
}

/** The amount that a refund of the unused part would return at this moment. */
function computeUnused(charge: Charge, moment: number): bigint {
  if (charge.at >= moment || charge.refundedAt < moment) return 0n;
  const left = Math.max(0, charge.endsAt - Math.max(moment, charge.startsAt));
  return (charge.amount * BigInt(left)) / BigInt(charge.endsAt - charge.startsAt);
}

/** The amount that is earned until this moment: nothing before the charge. */
function computeEarned(charge: Charge, moment: number): bigint {
  if (charge.at >= moment) return 0n;
  if (charge.refundedAt < moment) return charge.amount - charge.refunded;
  return charge.amount - computeUnused(charge, moment);
}

function computeMrr(charge: Charge): bigint {
  return (charge.amount * BigInt(30 * dayMs)) / BigInt(charge.endsAt - charge.startsAt);
}

const isRunning = ({ at, startsAt, endsAt, refundedAt }: Charge, moment: number): boolean =>
  at < moment && startsAt <= moment && endsAt > moment && refundedAt >= moment;

function toRate(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.round((part / whole) * 10_000) / 10_000;
}

function listDays(from: number, until: number): number[] {
  const days = [];
  for (let day = from; day < until; day += dayMs) days.push(day);
  return [...days, until];
}

function computeProviders(topUps: readonly RawEntry[]) {
  const spell = (provider: string | null) => provider?.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const groups = Map.groupBy(topUps, ({ provider }) => spell(provider));
  return [...groups.values()]
    .map((own) => ({
      provider: own.map(({ provider }) => provider).toSorted()[0] ?? null,
      count: own.length,
      amount: toMajor(sum(own.map(({ amount }) => amount))),
    }))
    .toSorted((one, other) => ((one.provider ?? '~') < (other.provider ?? '~') ? -1 : 1));
}

function computeMoney(rows: RawRows, from: number, until: number) {
  const { entries } = rows;
  const month = entries.filter(({ at }) => at >= from && at < until);
  const select = (isOfLine: (entry: RawEntry) => boolean) => {
    const own = month.filter(isOfLine);
    return { count: own.length, minor: sum(own.map(({ amount }) => amount)), own };
  };
  const ofKind = (...kinds: readonly string[]) => select(({ kind }) => kinds.includes(kind));
  const sumBefore = (moment: number, pick: (entry: RawEntry) => bigint) =>
    toMajor(sum(entries.filter(({ at }) => at < moment).map(pick)));
  const collected = select(({ kind, payment }) => kind === 'top_up' && payment === null);
  const moved = select(({ kind, payment }) => kind === 'top_up' && payment !== null);
  const chargebacks = ofKind('chargeback');
  const reversed = chargebacks.own.map(
    ({ payment }) => entries.find(({ id }) => id === payment)?.amount ?? 0n,
  );
  const [purchases, renewals] = [ofKind('purchase'), ofKind('renewal')];
  const [refunds, payouts] = [ofKind('refund'), ofKind('payout')];
  const charges = ofKind(...chargeKinds);
  return {
    collected: {
      count: collected.count,
      amount: toMajor(collected.minor),
      providers: computeProviders(collected.own),
      charged_back: { count: chargebacks.count, amount: toMajor(sum(reversed)) },
    },
    charged: {
      count: charges.count,
      amount: toMajor(-charges.minor),
      purchases: { count: purchases.count, amount: toMajor(-purchases.minor) },
      renewals: { count: renewals.count, amount: toMajor(-renewals.minor) },
    },
    refunded: { count: refunds.count, amount: toMajor(refunds.minor) },
    paid_out: { count: payouts.count, amount: toMajor(-payouts.minor) },
    balances: {
      start: sumBefore(from, ({ amount }) => amount),
      opening: toMajor(ofKind('opening').minor),
      collected: toMajor(collected.minor),
      moved: toMajor(moved.minor),
      adjustments: toMajor(ofKind('adjustment').minor),
      refunds: toMajor(refunds.minor),
      purchases: toMajor(purchases.minor),
      renewals: toMajor(renewals.minor),
      payouts: toMajor(payouts.minor),
      chargebacks: toMajor(chargebacks.minor),
      claims: toMajor(ofKind('claim').minor),
      end: sumBefore(until, ({ amount }) => amount),
    },
    claims: sumBefore(until, ({ claim }) => claim ?? 0n),
    chargedMinor: -charges.minor,
    refundedMinor: refunds.minor,
  };
}

function computeTime(charges: readonly Charge[], from: number, until: number) {
  const days = listDays(from, until);
  const earned = days.slice(1).map((day, index) => {
    const before = days[index] as number;
    return sum(charges.map((one) => computeEarned(one, day) - computeEarned(one, before)));
  });
  const sumUnused = (moment: number) => sum(charges.map((one) => computeUnused(one, moment)));
  return {
    earned: sum(earned),
    start: sumUnused(from),
    end: sumUnused(until),
    periods: charges.filter(
      ({ amount, at, refundedAt, endsAt }) =>
        amount > 0n && at < until && refundedAt >= until && endsAt > until,
    ).length,
  };
}

function computeCustomers(rows: RawRows, charges: readonly Charge[], from: number, until: number) {
  const { customers, entries } = rows;
  const month = new Date(from).toISOString().slice(0, 7);
  return customers.flatMap(({ id }) => {
    const own = charges.filter(({ customer, at }) => customer === id && at < until);
    const sumMrr = (moment: number) =>
      sum(own.filter((one) => isRunning(one, moment)).map(computeMrr));
    const first = entries.find(
      ({ customer, kind, amount }) => customer === id && chargeKinds.includes(kind) && amount < 0n,
    );
    if (first === undefined || first.at >= until) return [];
    const cohort = new Date(first.at).toISOString().slice(0, 7);
    const charged = sum(own.filter(({ at }) => at >= from).map(({ amount }) => amount));
    const [start, end] = [sumMrr(from), sumMrr(until)];
    return [{ cohort, isNew: cohort === month, start, end, charged }];
  });
}

function computeMrrFigures(customers: ReturnType<typeof computeCustomers>) {
  type One = (typeof customers)[number];
  const select = (isOfLine: (one: One) => boolean) => customers.filter(isOfLine);
  const sumChange = (own: readonly One[]) => sum(own.map(({ start, end }) => end - start));
  const [arrived, churned] = [
    select(({ start, end }) => start === 0n && end > 0n),
    select(({ start, end }) => start > 0n && end === 0n),
  ];
  const [fresh, revived] = [
    arrived.filter((one) => one.isNew),
    arrived.filter((one) => !one.isNew),
  ];
  const grown = select(({ start, end }) => start > 0n && end > start);
  const shrunk = select(({ start, end }) => end > 0n && end < start);
  const start = sum(customers.map((one) => one.start));
  const lost = -sumChange([...churned, ...shrunk]);
  const counts = { start: select((one) => one.start > 0n).length };
  return {
    mrr: {
      start: toMajor(start),
      new: toMajor(sumChange(fresh)),
      revived: toMajor(sumChange(revived)),
      expansion: toMajor(sumChange(grown)),
      contraction: toMajor(sumChange(shrunk)),
      churned: toMajor(sumChange(churned)),
      end: toMajor(sum(customers.map((one) => one.end))),
    },
    customers: {
      start: counts.start,
      new: fresh.length,
      revived: revived.length,
      churned: 0 - churned.length,
      end: select((one) => one.end > 0n).length,
    },
    churn: {
      customers: toRate(churned.length, counts.start),
      money: toRate(Number(lost), Number(start)),
    },
    cohorts: [...Map.groupBy(customers, ({ cohort }) => cohort)]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([cohort, own]) => ({
        month: cohort,
        customers: own.length,
        paying: own.filter(({ end }) => end > 0n).length,
        charged: toMajor(sum(own.map(({ charged }) => charged))),
        mrr: toMajor(sum(own.map(({ end }) => end))),
      })),
  };
}

function computeOutcomes(rows: RawRows, charges: readonly Charge[], from: number, until: number) {
  const live = charges.filter(({ at, refundedAt }) => at < until && refundedAt >= until);
  const ended = live.filter(({ endsAt }) => endsAt >= from && endsAt < until);
  const continued = ended.filter((one) =>
    live.some(({ sub, startsAt }) => sub === one.sub && startsAt >= one.endsAt),
  );
  const trials = rows.periods.filter(
    ({ source, endsAt }) => source === 'trial' && endsAt >= from && endsAt < until,
  );
  const paid = trials.filter(({ customer }) =>
    charges.some((one) => one.customer === customer && one.amount > 0n && one.at < until),
  );
  const ends = rows.shortEnds.filter(({ at }) => at >= from && at < until);
  const lastEnds = [...Map.groupBy(ends, ({ sub }) => sub)].map(([sub, own]) => ({
    sub,
    at: Math.max(...own.map(({ at }) => at)),
  }));
  const lost = lastEnds.flatMap(({ sub, at }) => {
    const last = live
      .filter((one) => one.sub === sub)
      .toSorted((one, other) => one.at - other.at || Number(one.id - other.id))
      .at(-1);
    if (last !== undefined && last.at > at) return [];
    return [last === undefined ? 0n : computeMrr(last)];
  });
  return {
    trials: {
      ended: trials.length,
      paid: paid.length,
      rate: toRate(paid.length, trials.length),
    },
    renewals: {
      ended: ended.length,
      continued: continued.length,
      rate: toRate(continued.length, ended.length),
    },
    lost_because_short: { subscriptions: lost.length, mrr: toMajor(sum(lost)) },
  };
}

/** The figures of one currency in the range, as the JSON of the report has them. */
export function computeFigures(all: RawRows, currency: string, from: number, until: number) {
  const ids = new Set(all.customers.filter((one) => one.currency === currency).map(({ id }) => id));
  const isOwn = ({ customer }: { readonly customer: bigint }) => ids.has(customer);
  const rows: RawRows = {
    customers: all.customers.filter(({ id }) => ids.has(id)),
    entries: all.entries.filter(isOwn),
    periods: all.periods.filter(isOwn),
    shortEnds: all.shortEnds.filter(isOwn),
  };
  const charges = toCharges(rows);
  const { claims, chargedMinor, refundedMinor, ...money } = computeMoney(rows, from, until);
  const time = computeTime(charges, from, until);
  return {
    currency,
    ...money,
    earned: toMajor(time.earned),
    owed: {
      balances: money.balances.end,
      unused_time: toMajor(time.end),
      periods: time.periods,
      claims,
    },
    time: {
      start: toMajor(time.start),
      charged: toMajor(chargedMinor),
      earned: toMajor(-time.earned),
      refunded: toMajor(-refundedMinor),
      end: toMajor(time.end),
    },
    ...computeMrrFigures(computeCustomers(rows, charges, from, until)),
    ...computeOutcomes(rows, charges, from, until),
  };
}
