import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { type DueItemRow, isAfterCursor, isNotQuarantined, toDueItem } from '../../runs/keyset.ts';
import type { DuePass, NextDue } from '../../runs/worker.ts';

/**
 * Subscriptions past their end, in its order. Reads `subscription_ending`. A page costs its own
 * rows.
 */
export const findEnded: DuePass = async (tx, { now }, { after, max, skip }) => {
  const { rows } = await sql<DueItemRow>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId", s.expires_at AS at
    FROM perennial.subscription s
    WHERE s.state = 'active' AND s.expires_at <= ${isoTime(now)}
      AND ${isAfterCursor('s.expires_at', after)} AND ${isNotQuarantined(skip)}
    ORDER BY s.expires_at, s.id LIMIT ${max}`.execute(tx);
  return rows.map(toDueItem);
};

/** Subscriptions with a period that has begun on other terms. Reads `subscription_changing`. */
export const findTermsChanges: DuePass = async (tx, { now }, { after, max, skip }) => {
  const { rows } = await sql<DueItemRow>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId", s.changes_at AS at
    FROM perennial.subscription s
    WHERE s.state = 'active' AND s.changes_at IS NOT NULL AND s.changes_at <= ${isoTime(now)}
      AND ${isAfterCursor('s.changes_at', after)} AND ${isNotQuarantined(skip)}
    ORDER BY s.changes_at, s.id LIMIT ${max}`.execute(tx);
  return rows.map(toDueItem);
};

/**
 * The first change of terms or end later than `after`, or than now. Reads one row of each index, so
 * the cost does not grow. Subscriptions that ended before and are still active are excluded.
 */
export async function readNextChange(db: Db, after: Instant | undefined): Promise<NextDue> {
  const { rows } = await sql<{ now: Instant; at: Instant | null }>`
    SELECT clock.now, least(
      (SELECT s.expires_at FROM perennial.subscription s
       WHERE s.state = 'active' AND s.expires_at > clock.since
       ORDER BY s.expires_at LIMIT 1),
      (SELECT s.changes_at FROM perennial.subscription s
       WHERE s.state = 'active' AND s.changes_at IS NOT NULL AND s.changes_at > clock.since
       ORDER BY s.changes_at LIMIT 1)) AS at
    FROM (SELECT now, coalesce(${after === undefined ? null : isoTime(after)}::timestamptz, now)
        AS since
      FROM (SELECT perennial.clock() AS now) read) clock`.execute(db);
  const { now, at } = rows[0] as { now: Instant; at: Instant | null };
  return { now, at: at ?? undefined };
}

/** The part of these subscriptions whose renewal is in quarantine, as text. */
export async function readQuarantinedRenewals(
  tx: Tx,
  ids: readonly SubscriptionId[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ item: string }>`
    SELECT item FROM perennial.quarantine
    WHERE worker = 'auto-renewal' AND item = ${anyOf('text', ids.map(String))}`.execute(tx);
  return new Set(rows.map((row) => row.item));
}

/**
 * One batch at a time over all replicas, so that the count of the guard stays valid. False if
 * another batch holds the lock. That batch handles the due rows. Freed with the transaction.
 */
export async function lockBlastGuard(tx: Tx): Promise<boolean> {
  const { rows } = await sql<{ taken: boolean }>`
    SELECT pg_try_advisory_xact_lock(hashtext('perennial.blast_guard')) AS taken`.execute(tx);
  return rows[0]?.taken === true;
}
