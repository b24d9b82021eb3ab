import { type RawBuilder, sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { wakeWorker } from '../db/notify.ts';
import type { JsonObject, NoticeState } from '../db/schema.ts';
import { readWriteTime } from '../db/trusted-time.ts';
import { refused } from '../kernel/faults.ts';
import type { CustomerId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { noticeKinds } from '../outbox/kinds.ts';
import { adminChannel, defaultChannel, fallbackChannel } from '../outbox/outbox.ts';
import { type Actor, recordEvents, toCustomerSubject } from '../subscription/store/events.ts';
import { createNoCustomerFault } from '../subscription/store/locked-customer.ts';

// The actions of a person on notifications: list, send again, cancel.
//
// The locks are those of a courier: the customer first, then the notification. So the second of the
// two reads what the first one did. A notification that is being sent belongs to its courier.

export interface ListedNotification {
  readonly id: bigint;
  /** Null for an alarm. */
  readonly telegramId: bigint | null;
  readonly kind: string;
  readonly state: NoticeState;
  readonly reason: string | null;
  readonly params: JsonObject;
  readonly createdAt: Instant;
  readonly nextAttemptAt: Instant;
  readonly sentAt: Instant | null;
}

export interface NotificationFilter {
  readonly telegramId?: bigint;
  readonly state?: NoticeState;
  readonly kind?: string;
  /** Only notifications with a smaller id: the end of the previous page. */
  readonly before?: bigint;
  readonly max: number;
}

export interface NotificationPage {
  readonly notices: readonly ListedNotification[];
  /** The start of the next page; undefined: this is the last page. */
  readonly next: bigint | undefined;
}

/** One page, the newest first. @throws Fault `no_customer` */
export async function listNotices(
  db: Db | Tx,
  filter: NotificationFilter,
): Promise<NotificationPage> {
  const { telegramId, state, kind, before, max } = filter;
  const customer = telegramId === undefined ? undefined : await readCustomerId(db, telegramId);
  const older = before === undefined ? sql`true` : sql`n.id < ${before}`;
  const ids =
    customer !== undefined
      ? selectIdsOfCustomer(customer, filter, older)
      : state === undefined && kind === undefined
        ? sql`SELECT n.id FROM perennial.notification n WHERE ${older}
            ORDER BY n.id DESC LIMIT ${max + 1}`
        : selectIdsByKindAndState(filter, older);
  const { rows } = await sql<ListedNotification>`
    SELECT n.id, c.telegram_id AS "telegramId", n.kind, n.state, n.reason, n.params,
      n.created_at AS "createdAt", n.next_attempt_at AS "nextAttemptAt", n.sent_at AS "sentAt"
    FROM (${ids}) page JOIN perennial.notification n ON n.id = page.id
    LEFT JOIN perennial.customer c ON c.id = n.customer_id
    ORDER BY n.id DESC LIMIT ${max + 1}`.execute(db);
  const notices = rows.slice(0, max);
  return { notices, next: rows.length > max ? notices.at(-1)?.id : undefined };
}

/** The order contains the customer, so that only the index of the customer serves it. */
function selectIdsOfCustomer(
  customer: CustomerId,
  { state, kind, max }: NotificationFilter,
  older: RawBuilder<unknown>,
) {
  return sql`
    SELECT n.id FROM perennial.notification n
    WHERE n.customer_id = ${customer} AND ${older}
      AND ${state === undefined ? sql`true` : sql`n.state = ${state}`}
      AND ${kind === undefined ? sql`true` : sql`n.kind = ${kind}`}
    ORDER BY n.customer_id DESC, n.id DESC LIMIT ${max + 1}`;
}

const allStates = Object.keys({
  pending: 0,
  sending: 0,
  sent: 0,
  uncertain: 0,
  suppressed: 0,
  failed: 0,
} satisfies Record<NoticeState, number>);

/**
 * The newest of each kind and state, by the index `notification_list`. A rare kind costs as much as
 * a frequent one, at any size of the table.
 */
function selectIdsByKindAndState(
  { state, kind, max }: NotificationFilter,
  older: RawBuilder<unknown>,
) {
  return sql`
    SELECT newest.id
    FROM unnest(${kind === undefined ? noticeKinds : [kind]}::text[]) AS k (kind)
    CROSS JOIN unnest(${state === undefined ? allStates : [state]}::text[]) AS s (state)
    CROSS JOIN LATERAL (
      SELECT n.id FROM perennial.notification n
      WHERE n.kind = k.kind AND n.state = s.state AND ${older}
      ORDER BY n.kind DESC, n.state DESC, n.id DESC LIMIT ${max + 1}) newest`;
}

async function readCustomerId(db: Db | Tx, telegramId: bigint): Promise<CustomerId> {
  const row = await db
    .selectFrom('perennial.customer')
    .select('id')
    .where('telegram_id', '=', telegramId)
    .executeTakeFirst();
  if (row === undefined) throw createNoCustomerFault(telegramId);
  return row.id;
}

export interface ActionResult {
  readonly id: bigint;
  readonly kind: string;
  readonly state: NoticeState;
  /** The reason of a suppressed notification. */
  readonly reason: string | null;
}

/**
 * Sends a notification again, or now. Its relevance is checked as usual, so an outdated
 * notification is suppressed also for a person. A notification of the log returns to its original
 * channel, which the log may still serve. An alarm of the log goes to the present admins.
 * @throws Fault `no_notice`, `being_sent`
 */
export function resendNotification(db: Db, id: bigint, actor: Actor): Promise<ActionResult> {
  return applyAction(db, id, actor, 'notice_resent', async (tx, { state }, now) => {
    switch (state) {
      case 'sending':
        throw createBeingSentFault(id);
      case 'pending':
      case 'uncertain':
      case 'sent':
      case 'suppressed':
      case 'failed':
        await sql`
          UPDATE perennial.notification
          SET state = 'pending', reason = NULL, next_attempt_at = ${isoTime(now)},
            channel = CASE WHEN channel <> ${fallbackChannel} THEN channel
              WHEN customer_id IS NULL THEN ${adminChannel} ELSE ${defaultChannel} END,
            recipient = CASE WHEN customer_id IS NULL AND channel = ${fallbackChannel} THEN NULL
              ELSE recipient END
          WHERE id = ${id}`.execute(tx);
        await wakeWorker(tx, 'deliver-notifications');
        return { state: 'pending', reason: null };
    }
  });
}

/**
 * Suppresses a notification. The reason says so if the message may have arrived.
 * @throws Fault `no_notice`, `being_sent`, `is_over`
 */
export function cancelNotification(db: Db, id: bigint, actor: Actor): Promise<ActionResult> {
  return applyAction(
    db,
    id,
    actor,
    'notice_cancelled',
    async (tx, { state, sentAt, lostAnswers }) => {
      const mayHaveArrived = state === 'uncertain' || lostAnswers > 0;
      const reason = mayHaveArrived ? 'cancelled, may have arrived' : 'cancelled';
      switch (state) {
        case 'sending':
          throw createBeingSentFault(id);
        case 'sent':
          throw refused('is_over', `notification ${id} was sent ${isoTime(sentAt as Instant)}`);
        case 'suppressed':
        case 'failed':
          throw refused('is_over', `notification ${id} is ${state}, and is not sent any more`);
        case 'pending':
        case 'uncertain':
          await sql`
          UPDATE perennial.notification SET state = 'suppressed', reason = ${reason}
          WHERE id = ${id}`.execute(tx);
          return { state: 'suppressed', reason };
      }
    },
  );
}

const createBeingSentFault = (id: bigint) =>
  refused('being_sent', `notification ${id} is being sent now; retry in a minute`);

interface LockedNotification {
  readonly kind: string;
  readonly state: NoticeState;
  readonly sentAt: Instant | null;
  readonly lostAnswers: number;
}

function applyAction(
  db: Db,
  id: bigint,
  actor: Actor,
  action: string,
  work: (
    tx: Tx,
    locked: LockedNotification,
    now: Instant,
  ) => Promise<Pick<ActionResult, 'state' | 'reason'>>,
): Promise<ActionResult> {
  return inTransaction(db, async (tx) => {
    const customerId = await lockRecipient(tx, id);
    const { rows } = await sql<LockedNotification>`
      SELECT kind, state, sent_at AS "sentAt", lost_answers AS "lostAnswers"
      FROM perennial.notification WHERE id = ${id} FOR NO KEY UPDATE`.execute(tx);
    const locked = rows[0] as LockedNotification;
    const now = await readWriteTime(tx);
    const { state, reason } = await work(tx, locked, now);
    // A notification in quarantine is retried at once, or never again.
    await sql`
      DELETE FROM perennial.quarantine
      WHERE worker = 'deliver-notifications' AND item = ${`notice:${id}`}`.execute(tx);
    const { kind } = locked;
    const detail = { notice_id: id, kind };
    const subject = customerId === null ? `notice:${id}` : toCustomerSubject(customerId);
    await recordEvents(tx, [{ customerId, subject, action, detail }], actor, now);
    return { id, kind, state, reason };
  });
}

/** Locks the customer of the notification. A notification never changes its customer. */
async function lockRecipient(tx: Tx, id: bigint): Promise<CustomerId | null> {
  const notification = await tx
    .selectFrom('perennial.notification')
    .select('customer_id')
    .where('id', '=', id)
    .executeTakeFirst();
  if (notification === undefined) {
    throw refused(
      'no_notice',
      `id: "${id}" is not a notification`,
      'list them with "perennial notice list"',
    );
  }
  const { customer_id } = notification;
  if (customer_id !== null) {
    await sql`
      SELECT FROM perennial.customer WHERE id = ${customer_id} FOR NO KEY UPDATE`.execute(tx);
  }
  return customer_id;
}
