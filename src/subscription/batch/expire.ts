import { sql } from 'kysely';
import { closeAccess } from '../../access/credentials.ts';
import type { Tx } from '../../db/connect.ts';
import { sendPipelined } from '../../db/pipeline.ts';
import type { SubscriptionKind } from '../../db/schema.ts';
import { anyOf } from '../../db/unnest.ts';
import { mustHold } from '../../kernel/faults.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { enqueueNotifications, type NewNotice } from '../../outbox/outbox.ts';
import { type NewEvent, recordEvents, toSubscriptionSubject } from '../store/events.ts';

export interface ExpiringSubscription {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly kind: SubscriptionKind;
  readonly plan: string;
  readonly expiresAt: Instant;
  /** Auto-renewal is on, and the balance did not cover the charge. */
  readonly isShort: boolean;
}

/**
 * Expires subscriptions of customers whose rows the transaction holds. State, credential, marks,
 * notification and event commit together (promise 5).
 */
export async function expireSubscriptions(
  tx: Tx,
  expiring: readonly ExpiringSubscription[],
  actor: string,
  now: Instant,
): Promise<void> {
  if (expiring.length === 0) return;
  const ids = expiring.map((row) => row.subscriptionId);
  await sendPipelined([
    () => writeExpired(tx, ids),
    () => closeAccess(tx, ids, now),
    () => enqueueNotifications(tx, expiring.map(toNotification), now),
    () => recordEvents(tx, expiring.map(toEvent), actor, now),
  ]);
}

/** An expired subscription is not due, until a payment within the days of revival. */
async function writeExpired(tx: Tx, ids: readonly SubscriptionId[]): Promise<void> {
  const { numAffectedRows } = await sql`
    UPDATE perennial.subscription SET state = 'expired', next_try_at = 'infinity'
    WHERE id = ${anyOf('bigint', ids)} AND state = 'active'`.execute(tx);
  mustHold(
    numAffectedRows === BigInt(ids.length),
    `${ids.length} subscriptions had to expire, ${numAffectedRows} expired`,
  );
}

const eventDetail = (row: ExpiringSubscription) => ({
  plan: row.plan,
  expires_at: isoTime(row.expiresAt),
});

const toNotification = (row: ExpiringSubscription): NewNotice => ({
  customerId: row.customerId,
  subscriptionId: row.subscriptionId,
  kind: row.kind === 'trial' ? 'trial_ended' : 'expired',
  dedupeKey: `expired:${row.subscriptionId}:${row.expiresAt}`,
  params: eventDetail(row),
});

const toEvent = (row: ExpiringSubscription): NewEvent => ({
  customerId: row.customerId,
  subject: toSubscriptionSubject(row.subscriptionId),
  action: 'expired',
  detail: row.isShort ? { ...eventDetail(row), short: true } : eventDetail(row),
});
