import { isoTime } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import type { CohortFigures } from './period-figures.ts';
import type { CountedAmount, CurrencyReport, MonthReport } from './report.ts';

// The report as JSON, the same for the command line and the API. Amounts are texts in major units.

/** `part / whole` with four digits; null if there is no whole. */
function toRate(part: bigint, whole: bigint): number | null {
  if (whole === 0n) return null;
  return Number((part * 20_000n + whole) / (whole * 2n)) / 10_000;
}

export function toReportJson({ month, now, currencies }: MonthReport) {
  const { label, from, until, isComplete } = month;
  return {
    month: label,
    from: isoTime(from),
    until: isoTime(until),
    complete: isComplete,
    now: isoTime(now),
    currencies: currencies.map(toCurrencyJson),
  };
}

export type ReportJson = ReturnType<typeof toReportJson>;
export type CurrencyReportJson = ReportJson['currencies'][number];

function toCurrencyJson({
  currency,
  ledger,
  collected,
  lines,
  periods,
  outcomes,
  cohorts,
}: CurrencyReport) {
  const major = (minor: bigint) => majorUnits(minor, currency);
  const toCounted = ({ count, amount }: CountedAmount, sign = 1n) => ({
    count: Number(count),
    amount: major(sign * amount),
  });
  const charges = lines.purchases.amount + lines.renewals.amount;
  const lostMrr = periods.mrrChurned + periods.mrrContraction;
  return {
    currency,
    collected: {
      ...toCounted(lines.collected),
      providers: collected.map((one) => ({ provider: one.provider, ...toCounted(one) })),
      charged_back: {
        count: Number(lines.chargebacks.count),
        amount: major(ledger.reversedPayments),
      },
    },
    charged: {
      count: Number(lines.purchases.count + lines.renewals.count),
      amount: major(-charges),
      purchases: toCounted(lines.purchases, -1n),
      renewals: toCounted(lines.renewals, -1n),
    },
    refunded: toCounted(lines.refunds),
    paid_out: toCounted(lines.payouts, -1n),
    earned: major(periods.earned),
    owed: {
      balances: major(ledger.balanceEnd),
      unused_time: major(periods.unusedEnd),
      periods: Number(periods.periodsOwed),
      claims: major(ledger.claimEnd),
    },
    balances: {
      start: major(ledger.balanceStart),
      opening: major(lines.opening.amount),
      collected: major(lines.collected.amount),
      moved: major(lines.moved.amount),
      adjustments: major(lines.adjustments.amount),
      refunds: major(lines.refunds.amount),
      purchases: major(lines.purchases.amount),
      renewals: major(lines.renewals.amount),
      payouts: major(lines.payouts.amount),
      chargebacks: major(lines.chargebacks.amount),
      claims: major(lines.claims.amount),
      end: major(ledger.balanceEnd),
    },
    time: {
      start: major(periods.unusedStart),
      charged: major(-charges),
      earned: major(-periods.earned),
      refunded: major(-lines.refunds.amount),
      end: major(periods.unusedEnd),
    },
    mrr: {
      start: major(periods.mrrStart),
      new: major(periods.mrrNew),
      revived: major(periods.mrrRevived),
      expansion: major(periods.mrrExpansion),
      contraction: major(-periods.mrrContraction),
      churned: major(-periods.mrrChurned),
      end: major(periods.mrrEnd),
    },
    customers: {
      start: Number(periods.runningStart),
      new: Number(periods.runningNew),
      revived: Number(periods.runningRevived),
      churned: Number(-periods.runningChurned),
      end: Number(periods.runningEnd),
    },
    churn: {
      customers: toRate(periods.runningChurned, periods.runningStart),
      money: toRate(lostMrr, periods.mrrStart),
    },
    trials: {
      ended: Number(outcomes.trialsEnded),
      paid: Number(outcomes.trialsPaid),
      rate: toRate(outcomes.trialsPaid, outcomes.trialsEnded),
    },
    renewals: {
      ended: Number(periods.periodsEnded),
      continued: Number(periods.periodsEnded - periods.periodsLapsed),
      rate: toRate(periods.periodsEnded - periods.periodsLapsed, periods.periodsEnded),
    },
    lost_because_short: { subscriptions: Number(outcomes.lost), mrr: major(outcomes.lostMrr) },
    cohorts: cohorts
      .filter(({ cohort }) => cohort !== null)
      .map((one) => toCohortJson(one, currency)),
  };
}

const toCohortJson = ({ cohort, ...sums }: CohortFigures, currency: string) => ({
  month: cohort ?? '',
  customers: Number(sums.customers),
  paying: Number(sums.runningEnd),
  charged: majorUnits(sums.charged, currency),
  mrr: majorUnits(sums.mrrEnd, currency),
});
