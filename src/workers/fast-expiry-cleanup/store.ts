import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { hourMs, type Instant, isoTime, later } from '../../kernel/instant.ts';
import { afterCursor, type FoundRow, foundOf, notHeld } from '../keyset.ts';
import type { NextDue, Pass } from '../worker.ts';

/** Whose end has come, in its order. Reads `subscription_ending`; a page costs its own rows. */
export const findEnded: Pass = async (tx, { now }, { after, max, skip }) => {
  const { rows } = await sql<FoundRow>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId", s.expires_at AS at
    FROM perennial.subscription s
    WHERE s.state = 'active' AND s.expires_at <= ${isoTime(now)}
      AND ${afterCursor('s.expires_at', after)} AND ${notHeld(skip)}
    ORDER BY s.expires_at, s.id LIMIT ${max}`.execute(tx);
  return rows.map(foundOf);
};

/** Subscriptions with a period that has begun on other terms. Reads `subscription_changing`. */
export const findChanging: Pass = async (tx, { now }, { after, max, skip }) => {
  const { rows } = await sql<FoundRow>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId", s.changes_at AS at
    FROM perennial.subscription s
    WHERE s.state = 'active' AND s.changes_at IS NOT NULL AND s.changes_at <= ${isoTime(now)}
      AND ${afterCursor('s.changes_at', after)} AND ${notHeld(skip)}
    ORDER BY s.changes_at, s.id LIMIT ${max}`.execute(tx);
  return rows.map(foundOf);
};

/**
 * The first change of terms or end later than `after`, or than now: one row of each index, so that it costs
 * the same however many there are. What ended before and is still active, held or in quarantine, is
 * not waited for.
 */
export async function nextMoment(db: Db, after: Instant | undefined): Promise<NextDue> {
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

/** Which of these failed by themselves in auto-renewal, and when it tries them again. */
export async function inQuarantine(
  tx: Tx,
  ids: readonly SubscriptionId[],
): Promise<ReadonlyMap<string, Instant>> {
  const { rows } = await sql<{ item: string; retryAt: Instant }>`
    SELECT item, retry_at AS "retryAt" FROM perennial.quarantine
    WHERE worker = 'auto-renewal' AND item = ${anyOf('text', ids.map(String))}`.execute(tx);
  return new Map(rows.map((row) => [row.item, row.retryAt]));
}

/**
 * One batch at a time over all replicas, so that the guard's count can't be overtaken. False where
 * another has it: that one sees to what is due. Freed with the transaction.
 */
export async function takeGuard(tx: Tx): Promise<boolean> {
  const { rows } = await sql<{ taken: boolean }>`
    SELECT pg_try_advisory_xact_lock(hashtext('perennial.blast_guard')) AS taken`.execute(tx);
  return rows[0]?.taken === true;
}

/** How many were ended in the last hour, by the records of the runs, this one's among them. */
export async function endedInTheLastHour(tx: Tx, now: Instant): Promise<number> {
  const { rows } = await sql<{ ended: bigint }>`
    SELECT coalesce(sum((detail->>'ended')::bigint), 0)::bigint AS ended
    FROM perennial.worker_run
    WHERE worker = 'fast-expiry-cleanup' AND detail->>'confirmed' IS NULL
      AND (started_at > ${isoTime(later(now, -hourMs))} OR outcome = 'running')`.execute(tx);
  return Number(rows[0]?.ended ?? 0n);
}

export async function countActive(tx: Tx): Promise<number> {
  const { rows } = await sql<{ active: bigint }>`
    SELECT count(*) AS active FROM perennial.subscription WHERE state = 'active'`.execute(tx);
  return Number(rows[0]?.active ?? 0n);
}
