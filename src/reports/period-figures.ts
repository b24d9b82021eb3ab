import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import {
  endsWithin,
  isOwedAt,
  isWithin,
  keptAt,
  mrrAt,
  selectCharges,
  unusedAt,
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

/** The sums of one cohort in one currency. Amounts are minor units. */
export interface CohortFigures {
  readonly currency: string;
  /** `2026-11`; null: no charge of these customers was above 0. */
  readonly cohort: string | null;
  readonly customers: bigint;
  readonly charged: bigint;
  readonly earned: bigint;
  readonly unusedStart: bigint;
  readonly unusedEnd: bigint;
  readonly mrrStart: bigint;
  readonly mrrEnd: bigint;
  readonly mrrNew: bigint;
  readonly mrrRevived: bigint;
  readonly mrrExpansion: bigint;
  readonly mrrContraction: bigint;
  readonly mrrChurned: bigint;
  /** Customers with MRR, and the changes of their number. */
  readonly runningStart: bigint;
  readonly runningEnd: bigint;
  readonly runningNew: bigint;
  readonly runningRevived: bigint;
  readonly runningChurned: bigint;
  /** Charged periods that ended in the month, those without a continuation, and those not over. */
  readonly periodsEnded: bigint;
  readonly periodsLapsed: bigint;
  readonly periodsOwed: bigint;
}

const sumAll = (names: readonly string[]) =>
  sql.join(names.map((name) => sql`sum(${sql.ref(name)}) AS ${sql.ref(name)}`));

const sumOf = (amount: RawBuilder<unknown>, condition: RawBuilder<unknown>) =>
  sql`coalesce(sum(${amount}) FILTER (WHERE ${condition}), 0)`;

const countOf = (condition: RawBuilder<unknown>) => sql`count(*) FILTER (WHERE ${condition})`;

const grew = sql`mrr_end - mrr_start`;
const shrank = sql`mrr_start - mrr_end`;

/**
 * One statement for all periods. It adds up by subscription, by customer and by cohort, so its
 * result is small at any size of the database.
 */
export async function readCohorts(tx: Tx, month: ReportMonth): Promise<CohortFigures[]> {
  const { from, until, label } = month;
  // PostgreSQL evaluates an aggregate once for all of its places.
  const [unusedStart, unusedEnd] = [sql`sum(${unusedAt(from)})`, sql`sum(${unusedAt(until)})`];
  const sums = {
    charged: sumOf(sql`amount`, isWithin(sql`charged_at`, month)),
    earned: sql`sum(${keptAt(until)} - ${keptAt(from)}) - ${unusedEnd} + ${unusedStart}`,
    unused_start: unusedStart,
    unused_end: unusedEnd,
    mrr_start: sql`sum(${mrrAt(from)})`,
    mrr_end: sql`sum(${mrrAt(until)})`,
    ended: countOf(endsWithin(month)),
    owed: countOf(isOwedAt(until)),
  };
  const names = Object.keys(sums);
  const isNew = sql`cohort = ${sql.lit(label)}`;
  const hasArrived = sql`mrr_start = 0 AND mrr_end > 0`;
  const hasLeft = sql`mrr_start > 0 AND mrr_end = 0`;
  const { rows } = await sql<Record<string, string | bigint | null>>`
    WITH charge AS (${selectCharges(until)}),
    of_subscription AS (
      SELECT currency, customer_id, min(charged_at) FILTER (WHERE amount > 0) AS first_paid_at,
        max(ends_at) FILTER (WHERE refunded_at IS NULL) AS last_end,
        ${sql.join(Object.entries(sums).map(([name, sum]) => sql`${sum} AS ${sql.ref(name)}`))}
      FROM charge GROUP BY currency, customer_id, subscription_id),
    of_customer AS (
      SELECT currency, to_char(min(first_paid_at) AT TIME ZONE 'UTC', 'YYYY-MM') AS cohort,
        ${countOf(isWithin(sql`last_end`, month))} AS lapsed, ${sumAll(names)}
      FROM of_subscription GROUP BY currency, customer_id)
    SELECT currency, cohort, count(*) AS customers, sum(charged) AS charged, sum(earned) AS earned,
      sum(unused_start) AS "unusedStart", sum(unused_end) AS "unusedEnd",
      sum(mrr_start) AS "mrrStart", sum(mrr_end) AS "mrrEnd",
      ${sumOf(grew, sql`${hasArrived} AND ${isNew}`)} AS "mrrNew",
      ${sumOf(grew, sql`${hasArrived} AND NOT ${isNew}`)} AS "mrrRevived",
      ${sumOf(grew, sql`mrr_start > 0 AND mrr_end > mrr_start`)} AS "mrrExpansion",
      ${sumOf(shrank, sql`mrr_end > 0 AND mrr_end < mrr_start`)} AS "mrrContraction",
      ${sumOf(shrank, hasLeft)} AS "mrrChurned",
      ${countOf(sql`mrr_start > 0`)} AS "runningStart",
      ${countOf(sql`mrr_end > 0`)} AS "runningEnd",
      ${countOf(sql`${hasArrived} AND ${isNew}`)} AS "runningNew",
      ${countOf(sql`${hasArrived} AND NOT ${isNew}`)} AS "runningRevived",
      ${countOf(hasLeft)} AS "runningChurned", sum(ended) AS "periodsEnded",
      sum(lapsed) AS "periodsLapsed", sum(owed) AS "periodsOwed"
    FROM of_customer GROUP BY currency, cohort ORDER BY currency, cohort NULLS LAST`.execute(tx);
  return rows.map(toCohort);
}

/** Sums come as text, because they may exceed a bigint of the database. */
function toCohort({ currency, cohort, ...sums }: Record<string, string | bigint | null>) {
  const amounts = Object.entries(sums).map(([name, sum]) => [name, BigInt(sum ?? 0)]);
  return { currency, cohort, ...Object.fromEntries(amounts) } as CohortFigures;
}
