import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime, minuteMs } from '../../kernel/instant.ts';
import { type NoticeKind, type NoticeParams, noticeKinds } from '../../outbox/kinds.ts';
import { hasPriceParam, writeNotifiedPrice } from '../../subscription/store/known-prices.ts';
import { markReachable } from '../../subscription/store/reachability.ts';
import type { CourierLease } from './lease.ts';
import type { SendSettlement } from './rule.ts';

// The notifications that a courier delivers.
//
// The attempt number fences each send: an outcome is stored only while this send is the last one.

/** A due notification as it was found, without a lock. */
export interface DueNotice {
  readonly id: bigint;
  readonly customerId: CustomerId | null;
  /** The recipient in terms of the channel. */
  readonly recipient: string;
  readonly key: DueKey;
  /** Its own data made it fail before, and it is retried. */
  readonly wasQuarantined: boolean;
}

/** The name of a notification in quarantine. */
export const toNoticeItem = (id: bigint): string => `notice:${id}`;

/** The key of the keyset. */
export interface DueKey {
  readonly bulk: boolean;
  readonly at: Instant;
  readonly id: bigint;
}

/**
 * A page of the due notifications of a channel, by the index `notification_owed`: urgent ones
 * before bulk ones, each in the order of their times. Skips kinds of a newer version, which has its
 * own couriers. Skips items in quarantine until their retry.
 */
export async function findDueNotices(
  db: Db | Tx,
  channel: string,
  page: { readonly after: DueKey | undefined; readonly max: number },
): Promise<DueNotice[]> {
  const rows: DueNotice[] = [];
  // One index walk for each half, in the order of the index.
  for (const bulk of [false, true]) {
    const { after } = page;
    if (after?.bulk === true && !bulk) continue;
    const beyond =
      after === undefined || after.bulk !== bulk
        ? sql`true`
        : sql`(n.next_attempt_at, n.id) > (${isoTime(after.at)}::timestamptz, ${after.id})`;
    const rowsLeft = page.max - rows.length;
    if (rowsLeft <= 0) break;
    const { rows: found } = await sql<Omit<DueNotice, 'key'> & { at: Instant }>`
      SELECT n.id, n.customer_id AS "customerId", n.next_attempt_at AS at,
        coalesce(n.recipient, c.telegram_id::text) AS recipient, q.item IS NOT NULL AS "wasQuarantined"
      FROM perennial.notification n LEFT JOIN perennial.customer c ON c.id = n.customer_id
        LEFT JOIN perennial.quarantine q
          ON q.worker = 'deliver-notifications' AND q.item = 'notice:' || n.id
      WHERE n.channel = ${channel} AND n.bulk = ${sql.lit(bulk)}
        AND n.state IN ('pending', 'uncertain') AND n.kind = ${anyOf('text', noticeKinds)}
        AND n.next_attempt_at <= (SELECT perennial.clock()) AND ${beyond}
        AND (q.item IS NULL OR q.retry_at <= (SELECT perennial.clock()))
      ORDER BY n.next_attempt_at, n.id LIMIT ${rowsLeft}`.execute(db);
    rows.push(...found.map(({ at, ...row }) => ({ ...row, key: { bulk, at, id: row.id } })));
  }
  return rows;
}

/** A notification under its lock. */
export interface LockedNotice {
  readonly id: bigint;
  readonly kind: NoticeKind;
  readonly params: NoticeParams;
  readonly subscriptionId: SubscriptionId | null;
  readonly dedupeKey: string;
  readonly recipient: string | null;
  readonly createdAt: Instant;
  /** The number of earlier sends. */
  readonly attempts: number;
  readonly lostAnswers: number;
  /** The gateway refused the formatted message. */
  readonly plain: boolean;
}

/**
 * Locks the customer, then the notification if it is still due. Waits for no lock. A purchase that
 * holds the customer may outdate the notification, and the next walk finds it again.
 * @returns undefined: not now
 */
export async function lockNotice(
  tx: Tx,
  { id, customerId }: DueNotice,
  now: Instant,
): Promise<LockedNotice | undefined> {
  if (customerId !== null) {
    const { rows } = await sql`
      SELECT id FROM perennial.customer WHERE id = ${customerId}
      FOR NO KEY UPDATE SKIP LOCKED`.execute(tx);
    if (rows.length === 0) return undefined;
  }
  const { rows } = await sql<LockedNotice>`
    SELECT id, kind, params, subscription_id AS "subscriptionId", dedupe_key AS "dedupeKey",
      recipient, created_at AS "createdAt", attempts, lost_answers AS "lostAnswers", plain
    FROM perennial.notification
    WHERE id = ${id} AND state IN ('pending', 'uncertain') AND next_attempt_at <= ${isoTime(now)}
    FOR NO KEY UPDATE SKIP LOCKED`.execute(tx);
  return rows[0];
}

/** Reads these notifications in this order. */
export async function readNotices(tx: Tx, ids: readonly bigint[]): Promise<LockedNotice[]> {
  const { rows } = await sql<LockedNotice>`
    SELECT id, kind, params, subscription_id AS "subscriptionId", dedupe_key AS "dedupeKey",
      recipient, created_at AS "createdAt", attempts, lost_answers AS "lostAnswers", plain
    FROM perennial.notification WHERE id = ${anyOf('bigint', ids)}`.execute(tx);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** Suppresses a notification that is not relevant any more. */
export async function suppressNotice(tx: Tx, id: bigint, reason: string): Promise<void> {
  await sql`
    UPDATE perennial.notification SET state = 'suppressed', reason = ${reason}
    WHERE id = ${id}`.execute(tx);
}

/** Postpones a relevant notification. */
export async function postponeNotice(tx: Tx, id: bigint, until: Instant): Promise<void> {
  await sql`
    UPDATE perennial.notification SET next_attempt_at = ${isoTime(until)}
    WHERE id = ${id}`.execute(tx);
}

export interface SendStart {
  readonly id: bigint;
  readonly recipient: string;
  /** The current values. */
  readonly params: NoticeParams;
}

/** Sets `sending` before the send. @returns false: the lease is lost, so nothing may be sent */
export async function writeSending(
  tx: Tx,
  lease: CourierLease,
  { id, recipient, params }: SendStart,
  now: Instant,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    UPDATE perennial.notification SET state = 'sending', sending_since = ${isoTime(now)},
      attempts = attempts + 1, epoch = ${lease.epoch},
      recipient = ${recipient}, params = ${JSON.stringify(params)}::jsonb
    WHERE id = ${id} AND EXISTS (
      SELECT FROM perennial.courier WHERE id = ${lease.id} AND epoch = ${lease.epoch})`.execute(tx);
  return numAffectedRows === 1n;
}

export interface FinishedSend {
  readonly id: bigint;
  readonly customerId: CustomerId | null;
  /** The number of this send. */
  readonly attempts: number;
  /** The channel of the send, stored if it was sent. */
  readonly channel: string;
  readonly messageId: bigint | null;
}

/**
 * Stores the outcome of a send, unless the notification was sent again since. Also settles a row
 * that a successor has marked `uncertain`, because a known outcome is better.
 * @returns whether it was stored
 */
export async function writeSettlement(
  tx: Tx,
  { id, customerId, attempts, channel, messageId }: FinishedSend,
  { state, reason, nextAttemptAt, lost, reachable, plain = false }: SendSettlement,
  now: Instant,
): Promise<boolean> {
  // The row of the customer is locked first, as everywhere (rule 1).
  if (customerId !== null && reachable === true) await markReachable(tx, customerId, now);
  if (customerId !== null && reachable === false) {
    await sql`
      UPDATE perennial.customer SET reachable = false
      WHERE id = ${customerId} AND reachable`.execute(tx);
  }
  const { rows } = await sql<{ kind: string }>`
    UPDATE perennial.notification SET state = ${state}, reason = ${reason},
      next_attempt_at = ${isoTime(nextAttemptAt)},
      lost_answers = lost_answers + ${lost ? 1 : 0}, plain = plain OR ${sql.lit(plain)},
      sent_at = ${state === 'sent' ? isoTime(now) : null}::timestamptz,
      message_id = ${messageId},
      channel = CASE WHEN ${state === 'sent'} THEN ${channel} ELSE channel END
    WHERE id = ${id} AND attempts = ${attempts}
      AND (state = 'sending' OR state = 'uncertain' AND ${sql.lit(!lost)})
    RETURNING kind`.execute(tx);
  const kind = rows[0]?.kind;
  if (kind === undefined) return false;
  // From now on the customer knows the amount, also if a later run charges it.
  if (state === 'sent' && hasPriceParam(kind)) await writeNotifiedPrice(tx, id, kind, now);
  return true;
}

/** A longer send has no courier any more that could store its outcome. */
const sendingMaxMs = 2 * minuteMs;

export interface LostSend {
  readonly id: bigint;
  readonly kind: NoticeKind;
  readonly attempts: number;
  readonly lostAnswers: number;
  readonly plain: boolean;
}

/**
 * Locks the sends of ended couriers: their epoch is outdated, or they take longer than any send.
 */
export async function lockLostSends(
  tx: Tx,
  channel: string,
  inFlight: readonly bigint[],
  now: Instant,
): Promise<LostSend[]> {
  const { rows } = await sql<LostSend>`
    SELECT n.id, n.kind, n.attempts, n.lost_answers AS "lostAnswers", n.plain
    FROM perennial.notification n
    WHERE n.state = 'sending' AND n.channel = ${channel} AND n.kind = ${anyOf('text', noticeKinds)}
      AND NOT n.id = ${anyOf('bigint', inFlight)}
      AND (NOT EXISTS (SELECT FROM perennial.courier c WHERE c.epoch = n.epoch)
        OR n.sending_since < ${isoTime((now - sendingMaxMs) as Instant)})
    ORDER BY n.sending_since, n.id LIMIT 1000
    FOR NO KEY UPDATE SKIP LOCKED`.execute(tx);
  return rows;
}

/** Whether a notification of this channel is `sending`, with or without a running courier. */
export async function hasSendingNotices(db: Db, channel: string): Promise<boolean> {
  const { rows } = await sql`
    SELECT FROM perennial.notification
    WHERE state = 'sending' AND channel = ${channel} LIMIT 1`.execute(db);
  return rows.length > 0;
}
