import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { wakeWorker } from '../db/notify.ts';
import { unnest } from '../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { type AdminKind, type CustomerKind, noticeSpecs, type ParamsOf } from './kinds.ts';

/** On which a notice is owed, until its courier knows better. */
export const defaultChannel = 'telegram';
/** What stands in for that where there is none: in the row of what went by it. */
export const fallbackChannel = 'log';
/** On which an alarm is owed, until a courier knows who the admins are. */
export const adminChannel = 'admins';

/** `dedupeKey` names the fact, so that the fact is told once. */
interface NoticeOf<K extends CustomerKind | AdminKind, To> {
  readonly customerId: To;
  readonly subscriptionId: To extends null ? null : SubscriptionId | null;
  readonly kind: K;
  readonly dedupeKey: string;
  readonly params: ParamsOf<K>;
}

/** A message owed, with all that its kind's text is told: one that lacks a value doesn't compile. */
export type NewNotice =
  | { [K in CustomerKind]: NoticeOf<K, CustomerId> }[CustomerKind]
  | { [K in AdminKind]: NoticeOf<K, null> }[AdminKind];

/**
 * Stores notices with the change that they tell of; one whose fact was told already is dropped. The
 * courier is woken by the commit. Reminders may wait for everything else (`bulk`).
 */
export async function enqueueNotifications(
  tx: Tx,
  notices: readonly NewNotice[],
  now: Instant,
): Promise<bigint> {
  if (notices.length === 0) return 0n;
  const { numAffectedRows } = await sql`
    INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
      params, bulk, next_attempt_at, created_at)
    SELECT notice.customer_id, notice.subscription_id, notice.channel, notice.kind, notice.dedupe_key,
      notice.params, notice.bulk, ${isoTime(now)}::timestamptz, ${isoTime(now)}::timestamptz
    FROM ${unnest('notice', notices, {
      customer_id: ['bigint', (row) => row.customerId],
      subscription_id: ['bigint', (row) => row.subscriptionId],
      channel: ['text', (row) => (row.customerId === null ? adminChannel : defaultChannel)],
      kind: ['text', (row) => row.kind],
      dedupe_key: ['text', (row) => row.dedupeKey],
      params: ['jsonb', (row) => JSON.stringify(row.params)],
      bulk: ['boolean', (row) => noticeSpecs[row.kind].policy === 'at_most_once'],
    })}
    ON CONFLICT (dedupe_key) DO NOTHING`.execute(tx);
  const stored = numAffectedRows ?? 0n;
  if (stored > 0n) await wakeWorker(tx, 'deliver-notifications');
  return stored;
}
