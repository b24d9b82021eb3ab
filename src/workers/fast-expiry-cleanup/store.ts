import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
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

/**
 * The first end later than `after`, or than now: one row of `subscription_ending`, so that it costs
 * the same however many there are. What ended before and is still active, held or in quarantine, is
 * not waited for.
 */
export async function nextEnd(db: Db, after: Instant | undefined): Promise<NextDue> {
  const { rows } = await sql<{ now: Instant; at: Instant | null }>`
    SELECT clock.now, (SELECT s.expires_at FROM perennial.subscription s
      WHERE s.state = 'active'
        AND s.expires_at > coalesce(${after === undefined ? null : isoTime(after)}::timestamptz, clock.now)
      ORDER BY s.expires_at LIMIT 1) AS at
    FROM (SELECT perennial.clock() AS now) clock`.execute(db);
  const { now, at } = rows[0] as { now: Instant; at: Instant | null };
  return { now, at: at ?? undefined };
}

/** The subscriptions of these whose renewal is in quarantine, as text. */
export async function inQuarantine(
  tx: Tx,
  ids: readonly SubscriptionId[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ item: string }>`
    SELECT item FROM perennial.quarantine
    WHERE worker = 'auto-renewal' AND item = ${anyOf('text', ids.map(String))}`.execute(tx);
  return new Set(rows.map((row) => row.item));
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
