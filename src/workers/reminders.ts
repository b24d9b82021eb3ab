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

// The common part of the two workers that remind.
//
// `remind_at` is the time of the next check, and never later than the reminder that it stands for.
// Each command that writes an end sets it (`subscription/`). A check sets the next time. Null: no
// check until the end changes.

/**
 * Running subscriptions of a kind with a due `remind_at`, in its order. Reads
 * `subscription_reminding` up to now, so a page costs its own rows and the due rows of the other
 * kind. A subscription past its end that still waits there (for a guard, or for the next minute) is
 * left as it is. So a clock that jumps ahead and back uses up no reminders.
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

/** The result of a batch of checks. */
export interface ReminderBatch {
  readonly notices: readonly NewNotice[];
  /** The next check of each subscription of the batch. */
  readonly updates: readonly RemindAtUpdate[];
}

export interface RemindAtUpdate {
  readonly subscriptionId: SubscriptionId;
  readonly nextAt: Instant | null;
}

/** Writes a batch: the notifications, and the times of the next checks. */
export async function writeReminders(
  tx: Tx,
  worker: string,
  { notices, updates }: ReminderBatch,
  now: Instant,
): Promise<Pick<BatchResult, 'changed' | 'counts'>> {
  let enqueued = 0n;
  // Rows that refer to a subscription are written before it is changed, see `renewSubscriptions`.
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
