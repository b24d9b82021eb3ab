import { readClock } from '../db/clock.ts';
import type { Db } from '../db/connect.ts';
import type { Instant } from '../kernel/instant.ts';
import { type LedgerFigures, type LedgerSum, readLedgerFigures } from './ledger-figures.ts';
import { type ReportMonth, resolveMonth } from './month.ts';
import { type OutcomeFigures, readOutcomes } from './outcome-figures.ts';
import {
  type CohortFigures,
  type CurrencyPeriods,
  cohortSums,
  noTime,
  readPeriodFigures,
  type TimeFigures,
} from './period-figures.ts';
import { readInSnapshot } from './snapshot.ts';

// The report of a month: the figures of each currency, from one snapshot.
//
// 1. Currencies are never added up.
// 2. Grants, imports and adjustments are no income: they are lines of the balances only.
// 3. Balances at the start, with all lines of the ledger, are the balances at the end.
// 4. Unused time at the start and charges, less earned time and refunds, is unused time at the end.
//
// docs/report.md defines each figure. The ledger and the periods give their figures independently.

/** A number of rows with the sum of their amounts. */
export interface CountedAmount {
  readonly count: bigint;
  readonly amount: bigint;
}

export interface ProviderFigures extends CountedAmount {
  /** The first spelling; null: top-ups without a provider. */
  readonly provider: string | null;
}

/** The sums of all cohorts, and of the time of all periods. */
export type PeriodFigures = Omit<CohortFigures, 'cohort' | 'customers'> & TimeFigures;

/** The figures of one currency. Amounts are minor units. */
export interface CurrencyReport {
  readonly currency: string;
  readonly ledger: LedgerFigures;
  /** First credits of payments, by provider. */
  readonly collected: readonly ProviderFigures[];
  /** By kind of ledger entry; amounts have the sign of the ledger. */
  readonly lines: Readonly<Record<ReportLine, CountedAmount>>;
  readonly periods: PeriodFigures;
  readonly outcomes: Omit<OutcomeFigures, 'currency'>;
  /** Oldest first. */
  readonly cohorts: readonly CohortFigures[];
}

export interface MonthReport {
  readonly month: ReportMonth;
  readonly now: Instant;
  readonly currencies: readonly CurrencyReport[];
}

/** The lines between the balances at the start and at the end. Each entry is in one of them. */
const ledgerLines = {
  opening: ({ kind }: LedgerSum) => kind === 'opening',
  collected: ({ kind, isMoved }: LedgerSum) => kind === 'top_up' && !isMoved,
  moved: ({ kind, isMoved }: LedgerSum) => kind === 'top_up' && isMoved,
  adjustments: ({ kind }: LedgerSum) => kind === 'adjustment',
  refunds: ({ kind }: LedgerSum) => kind === 'refund',
  purchases: ({ kind }: LedgerSum) => kind === 'purchase',
  renewals: ({ kind }: LedgerSum) => kind === 'renewal',
  payouts: ({ kind }: LedgerSum) => kind === 'payout',
  chargebacks: ({ kind }: LedgerSum) => kind === 'chargeback',
  claims: ({ kind }: LedgerSum) => kind === 'claim',
} as const;
export type ReportLine = keyof typeof ledgerLines;

/**
 * @param label a month like `2026-11`; undefined: the last complete month
 * @throws UsageFault `bad_month`, `future_month`
 */
export function readReport(db: Db, label?: string): Promise<MonthReport> {
  return readInSnapshot(db, async (tx) => {
    const now = await readClock(tx);
    const month = resolveMonth(label, now);
    const ledgers = await readLedgerFigures(tx, month);
    const periods = await readPeriodFigures(tx, month);
    const outcomes = await readOutcomes(tx, month);
    const currencies = ledgers.map((ledger) => {
      const isOwn = ({ currency }: { readonly currency: string }) => currency === ledger.currency;
      return toCurrencyReport(ledger, periods.find(isOwn), outcomes.find(isOwn));
    });
    return { month, now, currencies };
  });
}

const noOutcomes = { trialsEnded: 0n, trialsPaid: 0n, lost: 0n, lostMrr: 0n };

function toCurrencyReport(
  ledger: LedgerFigures,
  { time, cohorts }: Omit<CurrencyPeriods, 'currency'> = { time: noTime, cohorts: [] },
  outcomes: Omit<OutcomeFigures, 'currency'> = noOutcomes,
): CurrencyReport {
  const { currency, sums } = ledger;
  const lines = Object.entries(ledgerLines).map(([name, isOfLine]) => [
    name,
    addSums(sums.filter(isOfLine)),
  ]);
  return {
    currency,
    ledger,
    collected: groupByProvider(sums.filter(ledgerLines.collected)),
    lines: Object.fromEntries(lines) as CurrencyReport['lines'],
    periods: { ...addCohorts(cohorts), ...time },
    outcomes,
    cohorts,
  };
}

const addSums = (sums: readonly LedgerSum[]): CountedAmount =>
  sums.reduce(
    ({ count, amount }, sum) => ({ count: count + sum.entries, amount: amount + sum.amount }),
    { count: 0n, amount: 0n },
  );

function groupByProvider(sums: readonly LedgerSum[]): ProviderFigures[] {
  const bySpelling = Map.groupBy(sums, ({ spelling }) => spelling);
  return [...bySpelling.values()]
    .map((own) => ({
      provider: own.map(({ provider }) => provider).toSorted()[0] ?? null,
      ...addSums(own),
    }))
    .toSorted((one, other) => (toOrder(one) < toOrder(other) ? -1 : 1));
}

/** By name, and top-ups without a provider last. */
const toOrder = ({ provider }: ProviderFigures): string => provider ?? '\uffff';

function addCohorts(cohorts: readonly CohortFigures[]): Omit<PeriodFigures, keyof TimeFigures> {
  const total = cohortSums.map((name) => [name, cohorts.reduce((sum, one) => sum + one[name], 0n)]);
  return Object.fromEntries(total) as Record<(typeof cohortSums)[number], bigint>;
}
