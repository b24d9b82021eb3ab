import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import type { Tx } from '../db/connect.ts';
import { dayMs, hourMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import type { AdminKind, NoticeParams, ParamsOf } from './kinds.ts';
import { enqueueNotifications, type NewNotice } from './outbox.ts';

// Alarms: notifications to the admins about a problem.
//
// 1. An alarm is named by its kind, its subject, and the time since when it is open (`since`).
// 2. `alarm_over` with these three values clears the alarm.
// 3. An open alarm is repeated daily, and an alarm of a guard hourly. It is raised earlier for a
//    new reason, and when its size has grown tenfold.
// 4. The stored notifications contain this state, so there is no table of alarms.

export type AlarmKind = Exclude<AdminKind, 'alarm_over'>;

/** A problem, as its finder reports it. */
export type Alarm = {
  readonly [K in AlarmKind]: { readonly kind: K; readonly params: Omit<ParamsOf<K>, 'since'> };
}[AlarmKind];

/** The last notification of an open alarm, for each reason. */
interface LastRaised {
  /** Only a quarantine or a node has a reason. */
  readonly reason: string | null;
  /** The number of affected items, if it may grow. */
  readonly size: number | null;
  readonly at: Instant;
  readonly params: NoticeParams;
}

export interface OpenAlarm {
  readonly kind: AlarmKind;
  /** A worker, a node, a machine or a channel. */
  readonly subject: string;
  /** The worker of the alarm; null if it concerns no worker. */
  readonly worker: string | null;
  readonly since: Instant;
  readonly lastRaised: readonly LastRaised[];
}

/** An alarm counts as open for a month after its last notification. */
const openMaxMs = 30 * dayMs;

/** The subject of the alarm in this row. */
const toAlarmSubjectSql = (row: string) =>
  `coalesce(${['subject', 'worker', 'node', 'replica', 'channel'].map((name) => `${row}.params->>'${name}'`).join(', ')})`;

/** Whether the alarm in this row was cleared. */
export const isAlarmCleared = (row: string) =>
  sql.raw(`EXISTS (SELECT FROM perennial.notification o
    WHERE o.customer_id IS NULL AND o.kind = 'alarm_over' AND o.params->>'alarm' = ${row}.kind
      AND o.params->>'subject' = ${toAlarmSubjectSql(row)}
      AND o.params->>'since' = ${row}.params->>'since')`);

/** Whether the alarm that this row clears was sent to the present recipient of the row. */
export const wasAlarmSent = (row: string) =>
  sql.raw(`EXISTS (SELECT FROM perennial.notification a
    WHERE a.customer_id IS NULL AND a.kind = ${row}.params->>'alarm'
      AND ${toAlarmSubjectSql('a')} = ${row}.params->>'subject'
      AND a.params->>'since' = ${row}.params->>'since'
      AND (${row}.recipient IS NULL OR a.recipient = ${row}.recipient)
      AND a.state IN ('sending', 'sent', 'uncertain'))`);

/**
 * Locks the alarms over all replicas, until the end of the transaction.
 *
 * If two replicas find the same problem, the second one reads the alarm of the first. A new alarm
 * is not cleared at the same moment. This lock is the last wait of a transaction (rule 1), so its
 * holders wait only for COMMIT.
 */
export async function lockAlarms(tx: Tx): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('perennial.alarms'))`.execute(tx);
}

/** The open alarms, one for each kind and subject. */
export async function readOpenAlarms(tx: Tx, now: Instant): Promise<OpenAlarm[]> {
  const { rows } = await sql<Omit<OpenAlarm, 'lastRaised'> & LastRaised>`
    SELECT DISTINCT ON (kind, subject, reason) kind, subject, reason, worker, since, size, at,
      params
    FROM (
      SELECT n.id, n.kind, ${sql.raw(toAlarmSubjectSql('n'))} AS subject, n.params->>'reason' AS reason,
        n.params->>'worker' AS worker, (n.params->>'since')::timestamptz AS since,
        coalesce(n.params->>'held', n.params->>'items')::float8 AS size, n.created_at AS at,
        n.params
      FROM perennial.notification n
      WHERE n.customer_id IS NULL AND n.kind <> 'alarm_over' AND n.params ? 'since'
        AND n.created_at > ${isoTime(later(now, -openMaxMs))} AND NOT ${isAlarmCleared('n')}) raised
    ORDER BY kind, subject, reason, at DESC, id DESC`.execute(tx);
  const open = new Map<string, OpenAlarm>();
  for (const { kind, subject, worker, since, ...lastRaised } of rows) {
    const name = `${kind} ${subject}`;
    const earlier = open.get(name)?.lastRaised ?? [];
    open.set(name, { kind, subject, worker, since, lastRaised: [...earlier, lastRaised] });
  }
  return [...open.values()];
}

/**
 * An alarm of a guard is repeated hourly. A guard holds for hours at most, so a day is too long.
 */
const computeRepeatMs = (kind: AlarmKind): number =>
  kind === 'alarm_guard' || kind === 'alarm_money_guard' ? hourMs : dayMs;

/** 1, 10, 100, …: the size of an alarm at which it is raised again. */
const toMagnitude = (count: number): number => 10 ** (String(count).length - 1);

const wasRaisedRecently = (open: OpenAlarm, alarm: Alarm, now: Instant): boolean =>
  open.lastRaised.some(
    ({ reason, size, at }) =>
      reason === toAlarmReason(alarm) &&
      toMagnitude(size ?? 0) >= toMagnitude(toAlarmSize(alarm) ?? 0) &&
      at > later(now, -computeRepeatMs(alarm.kind)),
  );

/** Stores the alarms that were not raised recently. The caller has called `lockAlarms`. */
export async function enqueueAlarms(
  tx: Tx,
  alarms: readonly Alarm[],
  open: readonly OpenAlarm[],
  now: Instant,
): Promise<bigint> {
  const newNotices: NewNotice[] = [];
  for (const alarm of alarms) {
    const subject = toAlarmSubject(alarm);
    const openAlarm = open.find((one) => one.kind === alarm.kind && one.subject === subject);
    if (openAlarm !== undefined && wasRaisedRecently(openAlarm, alarm, now)) continue;
    const since = isoTime(openAlarm?.since ?? (await readAlarmStart(tx, alarm, now)));
    const name = [
      alarm.kind,
      subject,
      since,
      toAlarmReason(alarm),
      toAlarmSize(alarm),
      isoTime(now),
    ];
    newNotices.push({
      customerId: null,
      subscriptionId: null,
      kind: alarm.kind,
      dedupeKey: name.filter((part) => part !== null).join(':'),
      params: { ...alarm.params, since },
    } as NewNotice);
  }
  return enqueueNotifications(tx, newNotices, now);
}

/**
 * Raises the alarms that a transaction found, as the last lock of this transaction. The time is
 * read after the lock, so alarms that were raised or cleared before have earlier times.
 */
export async function raiseAlarms(tx: Tx, alarms: readonly Alarm[]): Promise<void> {
  if (alarms.length === 0) return;
  await lockAlarms(tx);
  const now = await readClock(tx);
  await enqueueAlarms(tx, alarms, await readOpenAlarms(tx, now), now);
}

/** Now, or later than the last alarm if the clock stands still or was set back. */
async function readAlarmStart(tx: Tx, alarm: Alarm, now: Instant): Promise<Instant> {
  const { rows } = await sql<{ last: Instant | null }>`
    SELECT max((n.params->>'since')::timestamptz) AS last FROM perennial.notification n
    WHERE n.customer_id IS NULL AND n.kind = ${alarm.kind}
      AND ${sql.raw(toAlarmSubjectSql('n'))} = ${toAlarmSubject(alarm)}
      AND n.created_at >= ${isoTime(later(now, -dayMs))}`.execute(tx);
  const last = rows[0]?.last ?? null;
  return last === null || last < now ? now : later(last, 1);
}

/** Stores `alarm_over` for these alarms. */
export async function clearAlarms(
  tx: Tx,
  cleared: readonly OpenAlarm[],
  now: Instant,
): Promise<bigint> {
  const notices = cleared.map(
    ({ kind, subject, since }): NewNotice => ({
      customerId: null,
      subscriptionId: null,
      kind: 'alarm_over',
      dedupeKey: `over:${kind}:${subject}:${isoTime(since)}`,
      params: { alarm: kind, subject, since: isoTime(since) },
    }),
  );
  return enqueueNotifications(tx, notices, now);
}

const toParams = ({ params }: Alarm): Readonly<Record<string, unknown>> => ({ ...params });

/** The same as `toAlarmSubjectSql`. */
export function toAlarmSubject(alarm: Alarm): string {
  const { subject, worker, node, replica, channel } = toParams(alarm);
  return String(subject ?? worker ?? node ?? replica ?? channel);
}

const toAlarmReason = (alarm: Alarm): string | null =>
  alarm.kind === 'alarm_quarantine' || alarm.kind === 'alarm_node' ? alarm.params.reason : null;

function toAlarmSize(alarm: Alarm): number | null {
  const { held, items } = toParams(alarm);
  return (held ?? items ?? null) as number | null;
}
