import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import {
  endsWithin,
  isOwedAt,
  isWithin,
  selectCharges,
  toKeptSql,
  toMrrSql,
  toUnusedSql,
} from './charged-time.ts';
import type { ReportMonth } from './month.ts';

// The figures of a month that the periods prove: earned and unused time, MRR, renewals, cohorts.
//
// 1. A customer belongs to the cohort of the month of their first charge above 0. A later refund
//    does not change the cohort.
// 2. MRR of a customer without MRR at the start of the month is new in the month of the cohort, and
//    revived in a later month.
// 3. A charged period that ended in the month was continued if its subscription has a later one.
//    Charged periods of a subscription do not overlap, so only the last one can have lapsed.

const timeNames = [
  'earned',
  'unusedStart',
  'unusedEnd',
  // Charged periods that ended in the month, those without a continuation, and those not over.
  'periodsEnded',
  'periodsLapsed',
  'periodsOwed',
] as const;

/** The sums of all charged periods in one currency. Amounts are minor units. */
export type TimeFigures = Readonly<Record<(typeof timeNames)[number], bigint>>;

/** The figures of cohorts that add up to those of the currency. */
export const cohortSums = [
  'charged',
  'mrrStart',
  'mrrEnd',
  'mrrNew',
  'mrrRevived',
  'mrrExpansion',
  'mrrContraction',
  'mrrChurned',
  // Customers with MRR, and the changes of their number.
  'runningStart',
  'runningEnd',
  'runningNew',
  'runningRevived',
  'runningChurned',
] as const;
const cohortNames = ['customers', ...cohortSums] as const;

/** The sums of one cohort in one currency. Amounts are minor units. */
export interface CohortFigures extends Readonly<Record<(typeof cohortNames)[number], bigint>> {
  /** `2026-11`; null: no charge of these customers was above 0. */
  readonly cohort: string | null;
}

export interface CurrencyPeriods {
  readonly currency: string;
  readonly time: TimeFigures;
  /** Oldest first. */
  readonly cohorts: readonly CohortFigures[];
}

const toSumSql = (amount: RawBuilder<unknown>, condition: RawBuilder<unknown>) =>
  sql`coalesce(sum(${amount}) FILTER (WHERE ${condition}), 0)`;

const toCountSql = (condition: RawBuilder<unknown>) => sql`count(*) FILTER (WHERE ${condition})`;

const grew = sql`mrr_end - mrr_start`;
const shrank = sql`mrr_start - mrr_end`;
const hasArrived = sql`mrr_start = 0 AND mrr_end > 0`;
const hasLeft = sql`mrr_start > 0 AND mrr_end = 0`;

/** The figures of cohorts, from the sums of each customer. */
const selectCohorts = (label: string) => {
  const isNew = sql`cohort = ${sql.lit(label)}`;
  return sql`
    SELECT currency, cohort, count(*) AS customers, sum(charged) AS charged,
      sum(mrr_start) AS "mrrStart", sum(mrr_end) AS "mrrEnd",
      ${toSumSql(grew, sql`${hasArrived} AND ${isNew}`)} AS "mrrNew",
      ${toSumSql(grew, sql`${hasArrived} AND NOT ${isNew}`)} AS "mrrRevived",
      ${toSumSql(grew, sql`mrr_start > 0 AND mrr_end > mrr_start`)} AS "mrrExpansion",
      ${toSumSql(shrank, sql`mrr_end > 0 AND mrr_end < mrr_start`)} AS "mrrContraction",
      ${toSumSql(shrank, hasLeft)} AS "mrrChurned",
      ${toCountSql(sql`mrr_start > 0`)} AS "runningStart",
      ${toCountSql(sql`mrr_end > 0`)} AS "runningEnd",
      ${toCountSql(sql`${hasArrived} AND ${isNew}`)} AS "runningNew",
      ${toCountSql(sql`${hasArrived} AND NOT ${isNew}`)} AS "runningRevived",
      ${toCountSql(hasLeft)} AS "runningChurned"
    FROM of_customer GROUP BY currency, cohort`;
};

type SumRow = Record<string, string | bigint | null>;

/**
 * One statement joins charges and periods once. Time is added up by currency, MRR by customer and
 * then by cohort. A sum for each of a million groups costs more than the join, so a group has as
 * few sums as possible.
 */
export async function readPeriodFigures(tx: Tx, month: ReportMonth): Promise<CurrencyPeriods[]> {
  const { from, until } = month;
  // PostgreSQL evaluates an aggregate once for all of its places.
  const [unusedStart, unusedEnd] = [
    sql`sum(${toUnusedSql(from)})`,
    sql`sum(${toUnusedSql(until)})`,
  ];
  const { rows } = await sql<SumRow>`
    WITH charge AS MATERIALIZED (${selectCharges(until)}),
    total AS (
      SELECT currency, sum(${toKeptSql(until)} - ${toKeptSql(from)}) - ${unusedEnd} + ${unusedStart}
          AS earned, ${unusedStart} AS "unusedStart", ${unusedEnd} AS "unusedEnd",
        ${toCountSql(endsWithin(month))} AS "periodsEnded", ${toCountSql(isOwedAt(until))} AS "periodsOwed"
      FROM charge GROUP BY currency),
    lapsed AS (
      SELECT currency, count(*) AS "periodsLapsed" FROM (
        SELECT subscription_id, currency, max(ends_at) AS last_end FROM charge
        WHERE refunded_at IS NULL GROUP BY subscription_id, currency) last
      WHERE ${isWithin(sql`last_end`, month)} GROUP BY currency),
    of_customer AS (
      SELECT currency, to_char(min(charged_at) FILTER (WHERE amount > 0) AT TIME ZONE 'UTC',
          'YYYY-MM') AS cohort,
        ${toSumSql(sql`amount`, isWithin(sql`charged_at`, month))}::bigint AS charged,
        sum(${toMrrSql(from)})::bigint AS mrr_start, sum(${toMrrSql(until)})::bigint AS mrr_end
      FROM charge GROUP BY customer_id, currency)
    SELECT * FROM (${selectCohorts(month.label)}) cohort
    JOIN total USING (currency) LEFT JOIN lapsed USING (currency)
    ORDER BY currency, cohort NULLS LAST`.execute(tx);
  const byCurrency = Map.groupBy(rows, ({ currency }) => String(currency));
  return [...byCurrency].map(([currency, own]) => ({
    currency,
    time: pickSums(own[0] as SumRow, timeNames),
    cohorts: own.map((row) => ({ ...pickSums(row, cohortNames), cohort: toLabel(row.cohort) })),
  }));
}

/** Without a charged period. */
export const noTime: TimeFigures = pickSums({}, timeNames);

const toLabel = (cohort: SumRow[string] | undefined): string | null =>
  typeof cohort === 'string' ? cohort : null;

/** Sums come as text, because they may exceed a bigint of the database. */
function pickSums<Name extends string>(row: SumRow, names: readonly Name[]): Record<Name, bigint> {
  const sums = names.map((name) => [name, BigInt(row[name] ?? 0)]);
  return Object.fromEntries(sums) as Record<Name, bigint>;
}
