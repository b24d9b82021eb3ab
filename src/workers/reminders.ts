import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { sendPipelined } from '../db/pipeline.ts';
import type { SubscriptionKind } from '../db/schema.ts';
import { unnest } from '../db/unnest.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { enqueueNotifications, type NewNotice } from '../outbox/outbox.ts';
import { type DueItemRow, isAfterCursor, isNotQuarantined, toDueItem } from '../runs/keyset.ts';
import { releaseQuarantined } from '../runs/quarantine.ts';
import type { BatchResult, DuePass } from '../runs/worker.ts';

// What the two workers share that remind: they go by `remind_at`, which says when there is
// something to look at, and is never later than what it stands for. Whoever writes an end sets it
// (`subscription/`); a look sets when the next one is. Null: nothing more until the end changes.

/**
 * Running ones of a kind whose `remind_at` has come, in its order. Reads `subscription_reminding`
 * up to now, so a page costs its own rows and those of the other kind that are due. One that is
 * past its end and waits there (for a guard, for the next minute) is left as it is: a clock that
 * jumped, and came back, must not have used up anybody's reminders.
 */
export const createReminderPass =
  (kind: SubscriptionKind): DuePass =>
  async (tx, { now }, { after, max, skip }) => {
    const { rows } = await sql<DueItemRow>`
      SELECT s.id AS "subscriptionId", s.customer_id AS "customerId", s.remind_at AS at
      FROM perennial.subscription s
      WHERE s.state = 'active' AND s.remind_at <= ${isoTime(now)}
        AND s.kind = ${kind} AND s.expires_at > ${isoTime(now)}
        AND ${isAfterCursor('s.remind_at', after)} AND ${isNotQuarantined(skip)}
      ORDER BY s.remind_at, s.id LIMIT ${max}`.execute(tx);
    return rows.map(toDueItem);
  };

/** What a batch of looks comes to. */
export interface ReminderBatch {
  readonly notices: readonly NewNotice[];
  /** Each that was looked at, and when to look again. */
  readonly updates: readonly RemindAtUpdate[];
}

export interface RemindAtUpdate {
  readonly subscriptionId: SubscriptionId;
  readonly nextAt: Instant | null;
}

/** Writes a batch: the notices, and when each is looked at again. */
export async function writeReminders(
  tx: Tx,
  worker: string,
  { notices, updates }: ReminderBatch,
  now: Instant,
): Promise<Pick<BatchResult, 'changed' | 'counts'>> {
  let enqueued = 0n;
  // What refers to a subscription comes before it is changed, see `renew`.
  await sendPipelined([
    async () => {
      enqueued = await enqueueNotifications(tx, notices, now);
    },
    () => writeRemindAt(tx, updates),
  ]);
  await releaseQuarantined(
    tx,
    worker,
    updates.map((row) => row.subscriptionId.toString()),
  );
  const reminded = Number(enqueued);
  return { changed: reminded, counts: { reminded, waiting: updates.length - notices.length } };
}

async function writeRemindAt(tx: Tx, updates: readonly RemindAtUpdate[]): Promise<void> {
  if (updates.length === 0) return;
  await sql`
    UPDATE perennial.subscription s SET remind_at = next.at
    FROM ${unnest('next', updates, {
      id: ['bigint', (row) => row.subscriptionId],
      at: ['timestamptz', (row) => row.nextAt],
    })}
    WHERE s.id = next.id`.execute(tx);
}
