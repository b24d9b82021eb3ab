import { type RawBuilder, sql } from 'kysely';
import { dayMs, type Instant, isoTime } from '../kernel/instant.ts';
import type { ReportMonth } from './month.ts';

// The value of charged time as SQL: what is unused, what is kept, and its MRR, at a moment.
//
// 1. A period counts from its charge, and its refund from the refund. An entry of exactly the
//    moment does not count yet. So the figures of a past month never change.
// 2. Unused is the share of the remaining time, rounded down, like a refund of the unused part
//    (`computeUnusedMinor`). Before the start it is the whole charge.
// 3. Earned until a moment is the charge less its refund, less what is unused. So the days of a
//    period add up to exactly the charge less its refund, and earned time needs no other rounding.
// 4. MRR is the share of 30 days in the length of a period that runs, rounded down.
//
// A period that moves to an earlier start has not begun at its move, and starts at the move or
// later. So its present start is valid for each moment.

/** The longest period, 3,660 days, times this amount fits into a bigint. */
const plainMax = 29_000_000n;
const mrrMs = 30 * dayMs;

export const toTimeSql = (moment: Instant): RawBuilder<Instant> =>
  sql<Instant>`${sql.lit(isoTime(moment))}::timestamptz`;

const toMsSql = (interval: RawBuilder<unknown>) =>
  sql`round(date_part('epoch', ${interval}) * 1000)::bigint`;

/** SQL of `floorShare`. Most amounts do not need the slow arithmetic of numeric. */
const toShareSql = (of: RawBuilder<unknown>): RawBuilder<unknown> => sql`(
  CASE WHEN amount <= ${sql.lit(plainMax.toString())}::bigint THEN amount * ${of} / length_ms
    ELSE div(amount::numeric * ${of}, length_ms)::bigint END)`;

/**
 * Charged periods with their charge and their refund, both before a moment. The expressions below
 * read its columns. @param condition of the period `p`
 */
export const selectCharges = (
  until: Instant,
  condition: RawBuilder<unknown> = sql`true`,
): RawBuilder<unknown> => sql`
  SELECT p.id, p.customer_id, p.subscription_id, p.currency, p.amount_minor AS amount, p.starts_at,
    p.ends_at, ${toMsSql(sql`p.ends_at - p.starts_at`)} AS length_ms, e.created_at AS charged_at,
    CASE WHEN p.refunded_at < ${toTimeSql(until)} THEN p.refunded_at END AS refunded_at,
    CASE WHEN p.refunded_at < ${toTimeSql(until)} THEN coalesce(r.amount_minor, 0) END AS refunded
  FROM perennial.period p
  JOIN perennial.ledger_entry e ON e.id = p.ledger_entry_id AND e.customer_id = p.customer_id
  LEFT JOIN perennial.ledger_entry r
    ON r.kind = 'refund' AND r.id = p.refund_entry_id AND r.customer_id = p.customer_id
  WHERE e.created_at < ${toTimeSql(until)} AND ${condition}`;

/** True from the charge on, until the refund. */
const isCounted = (moment: Instant) =>
  sql`charged_at < ${toTimeSql(moment)} AND (refunded_at IS NULL OR refunded_at >= ${toTimeSql(moment)})`;

/** Rule 2. */
export const toUnusedSql = (moment: Instant): RawBuilder<unknown> => sql`(
  CASE WHEN ends_at <= ${toTimeSql(moment)} OR NOT (${isCounted(moment)}) THEN 0
    WHEN starts_at >= ${toTimeSql(moment)} THEN amount
    ELSE ${toShareSql(toMsSql(sql`ends_at - ${toTimeSql(moment)}`))} END)`;

/** True for a period that cost something and is not over. */
export const isOwedAt = (moment: Instant): RawBuilder<unknown> =>
  sql`(amount > 0 AND ends_at > ${toTimeSql(moment)} AND ${isCounted(moment)})`;

/** The charge less its refund. */
export const toKeptSql = (moment: Instant): RawBuilder<unknown> => sql`(
  CASE WHEN charged_at >= ${toTimeSql(moment)} THEN 0
    WHEN refunded_at < ${toTimeSql(moment)} THEN amount - refunded ELSE amount END)`;

/** Rule 3. */
export const toEarnedSql = (moment: Instant): RawBuilder<unknown> =>
  sql`(${toKeptSql(moment)} - ${toUnusedSql(moment)})`;

/** Rule 4, for a period that runs. */
export const mrrWhileRunning = toShareSql(sql`${sql.lit(String(mrrMs))}::bigint`);

/** Rule 4. */
export const toMrrSql = (moment: Instant): RawBuilder<unknown> => sql`(
  CASE WHEN starts_at <= ${toTimeSql(moment)} AND ends_at > ${toTimeSql(moment)} AND ${isCounted(moment)}
    THEN ${mrrWhileRunning} ELSE 0 END)`;

/** True if the time lies in the month. */
export const isWithin = (
  column: RawBuilder<unknown>,
  { from, until }: Pick<ReportMonth, 'from' | 'until'>,
): RawBuilder<unknown> =>
  sql`(${column} >= ${toTimeSql(from)} AND ${column} < ${toTimeSql(until)})`;

/** True if the period ended in the month, and was not refunded before. */
export const endsWithin = (month: ReportMonth): RawBuilder<unknown> =>
  sql`(${isWithin(sql`ends_at`, month)} AND refunded_at IS NULL)`;

/** True for a period `p` that runs. */
export const isRunningAt = (moment: Instant): RawBuilder<unknown> => sql`(
  p.starts_at <= ${toTimeSql(moment)} AND p.ends_at > ${toTimeSql(moment)} AND p.refunded_at IS NULL)`;
