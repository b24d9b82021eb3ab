import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { formatLockHolder, transactionAgeSql } from '../../db/lock-holders.ts';
import { anyOf } from '../../db/unnest.ts';
import { type Instant, isoTime, later, minuteMs } from '../../kernel/instant.ts';
import { isLeaseLock } from '../../leases/lock.ts';
import type { OpenAlarm } from '../../outbox/alarms.ts';
import { noticeKinds } from '../../outbox/kinds.ts';
import { adminChannel, defaultChannel } from '../../outbox/outbox.ts';

// Notifications that are due and that no courier examines.
//
// 1. A channel is not served if no courier has examined its due notifications for 10 minutes. Then
//    each notification that has been due for 10 minutes is overdue.
// 2. A courier has passed a notification over if a complete walk began 5 minutes after it became
//    due, and the notification is still due.
// 3. A pause of the account has its own alarm. A postponed notification is not due.
// 4. A check after a pause of the service reports nothing, because its couriers examine first. A
//    database in which no service ever ran reports nothing either.

export const undeliveredWorker = 'deliver-notifications';

/**
 * A courier examines its channel each second, and the next replica takes a channel over within 15
 * s.
 */
const unservedMs = 10 * minuteMs;
/** A command holds a customer for milliseconds. */
const skippedMs = 5 * minuteMs;
const itemsMax = 1_000;

interface ChannelState {
  readonly channel: string;
  readonly lookedAt: Instant | null;
  readonly passedAt: Instant | null;
  readonly rests: boolean;
  readonly pid: number | null;
  readonly application: string;
  readonly state: string;
  readonly ageS: number;
}

export interface UndeliveredNotices {
  /** The overdue notifications, as `id`, `customer_id` and `due_at`. */
  readonly due: RawBuilder<unknown>;
  /** The reason why no courier examines them. undefined: a courier passes them over. */
  readonly cause: string | undefined;
}

/**
 * @param isPreview the check of a person, which does not show that a service runs
 * @returns undefined: nothing can be overdue
 */
export async function readUndelivered(
  tx: Tx,
  now: Instant,
  open: readonly OpenAlarm[],
  isPreview: boolean,
): Promise<UndeliveredNotices | undefined> {
  const isOpen = open.some(
    (one) => one.kind === 'alarm_overdue' && one.worker === undeliveredWorker,
  );
  if (!isOpen && !(await wereCouriersRunning(tx, now, isPreview))) return undefined;
  const channels = (await readChannels(tx)).filter(({ rests }) => !rests);
  if (channels.length === 0) return undefined;
  const unserved = channels.filter(isUnserved(now));
  const parts = channels.map((one) => {
    const longest = later(now, -unservedMs);
    const passed = later(one.passedAt ?? now, -skippedMs);
    if (unserved.includes(one)) return selectDueNotices(one.channel, longest);
    return one.passedAt === null
      ? undefined
      : selectDueNotices(one.channel, earlier(longest, passed));
  });
  const due = parts.filter((part) => part !== undefined);
  if (due.length === 0) return undefined;
  return {
    due: sql.join(due, sql` UNION ALL `),
    cause: unserved.length === 0 ? undefined : unserved.map(describeCause).join('; '),
  };
}

const earlier = (one: Instant, other: Instant): Instant => (one < other ? one : other);

const isUnserved =
  (now: Instant) =>
  ({ lookedAt }: ChannelState): boolean =>
    lookedAt === null || lookedAt <= later(now, -unservedMs);

function describeCause({ channel, lookedAt, pid, application, state, ageS }: ChannelState): string {
  const since = lookedAt === null ? '' : ` since ${isoTime(lookedAt)}`;
  const holder =
    pid === null
      ? ''
      : `; its lock is held by ${formatLockHolder({ pid, application, state, ageS })}`;
  return `no courier serves the channel "${channel}"${since}${holder}`;
}

/** The last check was so recent that couriers of the same service ran meanwhile. */
const hasRecentPass = (now: Instant) => sql<boolean>`EXISTS (
  SELECT FROM perennial.worker_state
  WHERE worker = 'raise-alarms' AND passed_at > ${isoTime(later(now, -unservedMs))})`;

async function wereCouriersRunning(tx: Tx, now: Instant, isPreview: boolean): Promise<boolean> {
  const { rows } = await sql<{ is: boolean }>`
    SELECT ${isPreview ? sql`EXISTS (SELECT FROM perennial.worker_state)` : hasRecentPass(now)} AS is`.execute(
    tx,
  );
  return rows[0]?.is === true;
}

/** The channels with notifications that are or were due, by a walk from one channel to the next. */
async function readChannels(tx: Tx): Promise<ChannelState[]> {
  const next = (after: RawBuilder<unknown>) => sql`
    (SELECT n.channel FROM perennial.notification n
     WHERE n.state IN ('pending', 'uncertain') AND n.channel > ${after}
     ORDER BY n.channel LIMIT 1)`;
  const { rows } = await sql<ChannelState>`
    WITH RECURSIVE channel (name) AS (
      SELECT ${next(sql`''`)}
      UNION ALL
      SELECT ${next(sql`channel.name`)} FROM channel WHERE channel.name IS NOT NULL)
    SELECT name AS channel, c.looked_at AS "lookedAt", c.passed_at AS "passedAt",
      coalesce(c.rests_until > perennial.clock(), false) AS rests, a.pid,
      coalesce(a.application_name, '') AS application, coalesce(a.state, '') AS state,
      coalesce(${transactionAgeSql('a')}, 0) AS "ageS"
    FROM channel
    LEFT JOIN LATERAL (
      SELECT * FROM perennial.courier c
      WHERE starts_with(c.id, name || ':') OR name = ${defaultChannel} AND starts_with(c.id, 'log:')
      ORDER BY starts_with(c.id, name || ':') DESC, c.looked_at DESC NULLS LAST LIMIT 1) c ON true
    LEFT JOIN pg_locks l ON ${isLeaseLock('courier', 'c.id')}
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE name IS NOT NULL AND name <> ${adminChannel} ORDER BY name`.execute(tx);
  return rows;
}

/**
 * The oldest notifications that were due before `before`. A courier of a newer version serves the
 * other kinds.
 */
const selectDueNotices = (channel: string, before: Instant): RawBuilder<unknown> =>
  sql.join(
    [false, true].map(
      (bulk) => sql`
      (SELECT 'notice:' || n.id AS id, n.customer_id, n.next_attempt_at AS due_at
       FROM perennial.notification n
       WHERE n.channel = ${channel} AND n.bulk = ${sql.lit(bulk)}
         AND n.state IN ('pending', 'uncertain') AND n.kind = ${anyOf('text', noticeKinds)}
         AND n.next_attempt_at < ${isoTime(before)}::timestamptz
       ORDER BY n.next_attempt_at, n.id LIMIT ${itemsMax})`,
    ),
    sql` UNION ALL `,
  );
