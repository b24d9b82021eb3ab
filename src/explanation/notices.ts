import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import type { CustomerId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import type { Reason } from '../kernel/reason.ts';
import { checkRelevance } from '../notifications/relevance.ts';
import { readRelevanceFacts } from '../notifications/relevance-store.ts';
import { isNoticeKind, type NoticeParams } from '../outbox/kinds.ts';
import { defaultChannel, fallbackChannel } from '../outbox/outbox.ts';
import {
  type CourierStatus,
  readCouriers,
} from '../workers/deliver-notifications/courier-registry.ts';
import { describeNoticeCause, findNoticeCause, type NoticeCauseFacts } from './notice-cause.ts';

/** A notification that is not settled, and what it waits for. */
export interface NoticeExplanation {
  readonly id: number;
  readonly kind: string;
  readonly state: 'pending' | 'sending' | 'uncertain';
  readonly created_at: string;
  readonly reason: Reason;
}

export interface NoticeOverview {
  /** The latest 20. */
  readonly waiting: NoticeExplanation[];
  readonly last_sent: {
    readonly id: number;
    readonly kind: string;
    readonly channel: string;
    readonly sent_at: string;
  } | null;
}

interface WaitingRow {
  readonly id: bigint;
  readonly kind: string;
  readonly state: NoticeExplanation['state'];
  readonly params: NoticeParams;
  readonly channel: string;
  readonly createdAt: Instant;
  readonly nextAttemptAt: Instant;
  readonly sendingSince: Instant | null;
  readonly error: string | null;
  readonly quarantineReason: string | null;
  readonly quarantineRetryAt: Instant | null;
}

const waitingMax = 20;

/** An uncertain notification of an `at_most_once` kind is settled: its next attempt is never. */
async function readWaiting(tx: Tx, customer: CustomerId): Promise<WaitingRow[]> {
  const { rows } = await sql<WaitingRow>`
    SELECT n.id, n.kind, n.state, n.params, n.channel, n.created_at AS "createdAt",
      n.next_attempt_at AS "nextAttemptAt", n.reason AS error,
      CASE WHEN n.state = 'sending' THEN n.sending_since END AS "sendingSince",
      q.reason AS "quarantineReason", q.retry_at AS "quarantineRetryAt"
    FROM perennial.notification n
    LEFT JOIN perennial.quarantine q
      ON q.worker = 'deliver-notifications' AND q.item = 'notice:' || n.id
    WHERE n.customer_id = ${customer} AND n.state IN ('pending', 'sending', 'uncertain')
      AND n.next_attempt_at < 'infinity'
    ORDER BY n.customer_id DESC, n.id DESC LIMIT ${waitingMax}`.execute(tx);
  return rows;
}

async function readLastSent(tx: Tx, customer: CustomerId): Promise<NoticeOverview['last_sent']> {
  const { rows } = await sql<{ id: bigint; kind: string; channel: string; sentAt: Instant }>`
    SELECT n.id, n.kind, n.channel, n.sent_at AS "sentAt" FROM perennial.notification n
    WHERE n.customer_id = ${customer} AND n.state = 'sent'
    ORDER BY n.customer_id DESC, n.id DESC LIMIT 1`.execute(tx);
  const [row] = rows;
  if (row === undefined) return null;
  const { id, kind, channel, sentAt } = row;
  return { id: Number(id), kind, channel, sent_at: isoTime(sentAt) };
}

/** The courier of a channel. The log serves the default channel if that has no courier. */
function findCourier(
  couriers: readonly CourierStatus[],
  channel: string,
): NoticeCauseFacts['courier'] {
  const ofChannel = (name: string) =>
    couriers.find(({ id }) => id === name || id.startsWith(`${name}:`));
  const found =
    ofChannel(channel) ?? (channel === defaultChannel ? ofChannel(fallbackChannel) : undefined);
  if (found === undefined) return null;
  const { id, isRunning, pausedUntil, lastError: error } = found;
  return { id, isRunning, pausedUntil, error };
}

/**
 * The unsettled notifications of a customer, by the rule of the courier, and the last one that was
 * sent.
 */
export async function readNoticeOverview(
  tx: Tx,
  customer: CustomerId,
  now: Instant,
  suspectReason: string | null,
): Promise<NoticeOverview> {
  const rows = await readWaiting(tx, customer);
  const contexts = await readRelevanceFacts(
    tx,
    rows.map(({ id }) => id),
    now,
  );
  const couriers = await readCouriers(tx);
  const waiting = rows.map((row): NoticeExplanation => {
    const { id, kind, state, params, createdAt, quarantineReason, quarantineRetryAt } = row;
    const read = contexts.get(id);
    const cause = findNoticeCause(
      {
        ...row,
        quarantine:
          quarantineReason === null || quarantineRetryAt === null
            ? null
            : { reason: quarantineReason, retryAt: quarantineRetryAt },
        decision:
          read !== undefined && isNoticeKind(kind)
            ? checkRelevance({ kind, params, createdAt }, read.facts, now)
            : null,
        courier: findCourier(couriers, row.channel),
      },
      now,
      suspectReason,
    );
    return {
      id: Number(id),
      kind,
      state,
      created_at: isoTime(createdAt),
      reason: describeNoticeCause(cause),
    };
  });
  return { waiting, last_sent: await readLastSent(tx, customer) };
}
