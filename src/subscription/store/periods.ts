import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import type { PeriodSource, SubscriptionKind } from '../../db/schema.ts';
import { anyOf, unnest } from '../../db/unnest.ts';
import { formatCount } from '../../kernel/count.ts';
import { refused } from '../../kernel/faults.ts';
import type { CustomerId, LedgerEntryId, PeriodId, SubscriptionId } from '../../kernel/ids.ts';
import { dayMs, type Instant, isoTime, lastInstant, later } from '../../kernel/instant.ts';
import type { PeriodMove } from '../rules/moves.ts';
import type { TermPeriod } from '../rules/terms.ts';

/** A time range `[startsAt, endsAt)` of a subscription, with its charge. */
export interface NewPeriod {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly source: PeriodSource;
  readonly plan: string;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  /** 0 for a period without a charge. */
  readonly amountMinor: bigint;
  readonly currency: string;
  /** The charge; null for a trial, grant or import. */
  readonly ledgerEntryId: LedgerEntryId | null;
  /** The length that was sold; null for a grant that extends a subscription. */
  readonly periodDays: number | null;
  /** The list price and the discount that explain the amount; null without a price. */
  readonly listMinor: bigint | null;
  readonly discountPercent: number | null;
  /** The kind that a grant gives. Other sources imply the kind. */
  readonly kind?: SubscriptionKind;
  /** The amount that limited the charge of a renewal below its price. */
  readonly capMinor?: bigint | null;
}

/**
 * The end of a period of whole days.
 * @throws Fault `end_too_late`: no column and no ISO 8601 time can hold it
 */
export function computePeriodEnd(startsAt: Instant, days: number): Instant {
  const endsAt = later(startsAt, days * dayMs);
  if (endsAt <= lastInstant) return endsAt;
  throw refused(
    'end_too_late',
    `a period of ${formatCount(days, 'day')} from ${isoTime(startsAt)} would end after the year 9999`,
  );
}

/** Adds periods. An overlap with another period of the subscription fails the transaction. */
export async function addPeriods(tx: Tx, periods: readonly NewPeriod[]): Promise<void> {
  if (periods.length === 0) return;
  await sql`
    INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
      amount_minor, currency, ledger_entry_id, period_days, list_minor, discount_percent,
      cap_minor, kind)
    SELECT * FROM ${unnest('added', periods, {
      subscription_id: ['bigint', (row) => row.subscriptionId],
      customer_id: ['bigint', (row) => row.customerId],
      source: ['text', (row) => row.source],
      plan: ['text', (row) => row.plan],
      starts_at: ['timestamptz', (row) => row.startsAt],
      ends_at: ['timestamptz', (row) => row.endsAt],
      amount_minor: ['bigint', (row) => row.amountMinor],
      currency: ['text', (row) => row.currency],
      ledger_entry_id: ['bigint', (row) => row.ledgerEntryId],
      period_days: ['int', (row) => row.periodDays],
      list_minor: ['bigint', (row) => row.listMinor],
      discount_percent: ['int', (row) => row.discountPercent],
      cap_minor: ['bigint', (row) => row.capMinor ?? null],
      kind: ['text', (row) => (row.source === 'grant' ? (row.kind ?? null) : null)],
    })}`.execute(tx);
}

/** A period that is not refunded. */
export interface Period extends TermPeriod {
  readonly id: PeriodId;
  readonly subscriptionId: SubscriptionId;
  readonly amountMinor: bigint;
  readonly ledgerEntryId: LedgerEntryId | null;
}

/** Periods of a subscription that are not refunded, the last one first. */
export async function readPeriods(tx: Tx, id: SubscriptionId): Promise<Period[]> {
  const { rows } = await sql<Period>`
    ${selectPeriods} WHERE p.subscription_id = ${id} AND p.refunded_at IS NULL
    ORDER BY p.starts_at DESC`.execute(tx);
  return rows;
}

/** The same of many subscriptions. */
export async function readPeriodsById(
  tx: Tx,
  ids: readonly SubscriptionId[],
): Promise<Map<SubscriptionId, Period[]>> {
  if (ids.length === 0) return new Map();
  const { rows } = await sql<Period>`
    ${selectPeriods} WHERE p.subscription_id = ${anyOf('bigint', ids)} AND p.refunded_at IS NULL
    ORDER BY p.subscription_id, p.starts_at DESC`.execute(tx);
  return Map.groupBy(rows, ({ subscriptionId }) => subscriptionId);
}

/**
 * Of a served part: the amount that was kept, which is the charge without its refund. Of a paid
 * grant: the length of the last refunded charge before it (terms, rule 6).
 */
const selectPeriods = sql`
  SELECT p.id, p.subscription_id AS "subscriptionId", p.source, p.plan, p.starts_at AS "startsAt",
    p.ends_at AS "endsAt", p.amount_minor AS "amountMinor", p.ledger_entry_id AS "ledgerEntryId",
    p.period_days AS "periodDays", p.kind, p.part_of AS "partOf",
    coalesce(whole.amount_minor > coalesce(back.amount_minor, 0), false) AS "isPaidPart",
    CASE WHEN p.source = 'grant' AND p.kind = 'paid' THEN (
      SELECT r.period_days FROM perennial.period r
      WHERE r.subscription_id = p.subscription_id AND r.refunded_at IS NOT NULL
        AND r.ledger_entry_id IS NOT NULL AND r.id < p.id
      ORDER BY r.id DESC LIMIT 1) END AS "refundedDays"
  FROM perennial.period p
  LEFT JOIN perennial.period whole ON whole.id = p.part_of
  LEFT JOIN perennial.ledger_entry back
    ON back.customer_id = whole.customer_id AND back.id = whole.refund_entry_id`;

/**
 * The periods of these subscriptions that decide the terms at a due change: those that are not
 * refunded and end at `changes_at` or later.
 */
export async function readPeriodsAtChange(
  tx: Tx,
  ids: readonly SubscriptionId[],
): Promise<Map<SubscriptionId, Period[]>> {
  const { rows } = await sql<Period>`
    ${selectPeriods} JOIN perennial.subscription s ON s.id = p.subscription_id
    WHERE s.id = ${anyOf('bigint', ids)} AND p.refunded_at IS NULL AND p.ends_at >= s.changes_at
    ORDER BY s.id, p.starts_at`.execute(tx);
  return Map.groupBy(rows, ({ subscriptionId }) => subscriptionId);
}

/**
 * Stores the past time of a refunded period as a separate period (terms, rule 5). So the access
 * until the refund stays explained.
 */
export async function addServedPart(tx: Tx, id: PeriodId, now: Instant): Promise<void> {
  await sql`
    INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
      currency, period_days, kind, part_of)
    SELECT subscription_id, customer_id, source, plan, starts_at,
      least(ends_at, ${isoTime(now)}::timestamptz), currency, period_days, kind, id
    FROM perennial.period WHERE id = ${id} AND starts_at < ${isoTime(now)}`.execute(tx);
}

/** The database accepts only an earlier start and the same length. */
export async function movePeriod(tx: Tx, { id, startsAt, endsAt }: PeriodMove): Promise<void> {
  await sql`
    UPDATE perennial.period SET starts_at = ${isoTime(startsAt)}, ends_at = ${isoTime(endsAt)},
      moved_from = coalesce(moved_from, starts_at)
    WHERE id = ${id}`.execute(tx);
}
