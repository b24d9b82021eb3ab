import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { wakeWorker } from '../db/notify.ts';
import { unnest } from '../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { type AdminKind, type CustomerKind, noticeSpecs, type ParamsOf } from './kinds.ts';

/** The channel of a new notification to a customer. Its courier may change it. */
export const defaultChannel = 'telegram';
/**
 * The fallback of the default channel: in the row of a notification that was written to the log.
 */
export const fallbackChannel = 'log';
/** The channel of a new alarm. The first courier replaces it by the channels of the admins. */
export const adminChannel = 'admins';

/** `dedupeKey` names the event, so that one event has one notification. */
interface NoticeOf<K extends CustomerKind | AdminKind, To> {
  readonly customerId: To;
  readonly subscriptionId: To extends null ? null : SubscriptionId | null;
  readonly kind: K;
  readonly dedupeKey: string;
  readonly params: ParamsOf<K>;
}

/** A new notification with all params of its kind. A missing param does not compile. */
export type NewNotice =
  | { [K in CustomerKind]: NoticeOf<K, CustomerId> }[CustomerKind]
  | { [K in AdminKind]: NoticeOf<K, null> }[AdminKind];

/**
 * Stores notifications in the transaction of their cause. A known `dedupeKey` is skipped. The
 * commit wakes the courier. `at_most_once` kinds are sent after all others (`bulk`).
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
