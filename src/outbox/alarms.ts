import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import type { Tx } from '../db/connect.ts';
import { dayMs, hourMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import type { AdminKind, ParamsOf } from './kinds.ts';
import { enqueueNotifications, type NewNotice } from './outbox.ts';

// Alarms are notices to the admins. A time of trouble is named by its kind, what it is about, and
// since when it is known: each alarm names the one that it tells of, and so does the `alarm_over`
// that ends it. It is open while no such word is owed. While it is open it is told again once a day
// (what a guard holds once an hour), for another reason, and when it has grown tenfold. All that
// needs no table of its own: the notices say it.

export type AlarmKind = Exclude<AdminKind, 'alarm_over'>;

/** A trouble, as whoever finds it knows it. */
export type Alarm = {
  readonly [K in AlarmKind]: { readonly kind: K; readonly params: Omit<ParamsOf<K>, 'since'> };
}[AlarmKind];

/** What was told last of an open one, for each reason. */
interface LastRaised {
  /** Of a quarantine or a node. */
  readonly reason: string | null;
  /** How many it was about, where that may grow. */
  readonly size: number | null;
  readonly at: Instant;
}

export interface OpenAlarm {
  readonly kind: AlarmKind;
  /** What it is about: a worker, a node, a machine, a channel. */
  readonly subject: string;
  /** Whose it is; null where that is no worker's. */
  readonly worker: string | null;
  readonly since: Instant;
  readonly lastRaised: readonly LastRaised[];
}

/** One counts as open for a month after it was told last. */
const openMaxMs = 30 * dayMs;

/** What the alarm of this row is about. */
const toAlarmSubjectSql = (row: string) =>
  `coalesce(${['subject', 'worker', 'node', 'replica', 'channel'].map((name) => `${row}.params->>'${name}'`).join(', ')})`;

/** The time of trouble that the alarm of this row tells of is over. */
export const isAlarmCleared = (row: string) =>
  sql.raw(`EXISTS (SELECT FROM perennial.notification o
    WHERE o.customer_id IS NULL AND o.kind = 'alarm_over' AND o.params->>'alarm' = ${row}.kind
      AND o.params->>'subject' = ${toAlarmSubjectSql(row)}
      AND o.params->>'since' = ${row}.params->>'since')`);

/** That which this row calls over was told, to whom it would be said now. */
export const wasAlarmSent = (row: string) =>
  sql.raw(`EXISTS (SELECT FROM perennial.notification a
    WHERE a.customer_id IS NULL AND a.kind = ${row}.params->>'alarm'
      AND ${toAlarmSubjectSql('a')} = ${row}.params->>'subject'
      AND a.params->>'since' = ${row}.params->>'since'
      AND (${row}.recipient IS NULL OR a.recipient = ${row}.recipient)
      AND a.state IN ('sending', 'sent', 'uncertain'))`);

/**
 * One at a time over all replicas, so that of two that see the same trouble the second sees that it
 * is told, and nothing is called off that was just found. Whoever writes something else in the same
 * transaction has done so before: nobody waits for anything but COMMIT while holding it.
 */
export async function lockAlarms(tx: Tx): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('perennial.alarms'))`.execute(tx);
}

/** The alarms that are open: one a kind and subject. */
export async function readOpenAlarms(tx: Tx, now: Instant): Promise<OpenAlarm[]> {
  const { rows } = await sql<Omit<OpenAlarm, 'lastRaised'> & LastRaised>`
    SELECT DISTINCT ON (kind, subject, reason) kind, subject, reason, worker, since, size, at
    FROM (
      SELECT n.id, n.kind, ${sql.raw(toAlarmSubjectSql('n'))} AS subject, n.params->>'reason' AS reason,
        n.params->>'worker' AS worker, (n.params->>'since')::timestamptz AS since,
        coalesce(n.params->>'held', n.params->>'items')::float8 AS size, n.created_at AS at
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

/** A guard holds for hours at most; a day is too long to have missed it. */
const computeRepeatMs = (kind: AlarmKind): number =>
  kind === 'alarm_guard' || kind === 'alarm_money_guard' ? hourMs : dayMs;

/** 1, 10, 100, …: one that grows tenfold is told again. */
const toMagnitude = (count: number): number => 10 ** (String(count).length - 1);

const wasRaisedRecently = (open: OpenAlarm, alarm: Alarm, now: Instant): boolean =>
  open.lastRaised.some(
    ({ reason, size, at }) =>
      reason === toAlarmReason(alarm) &&
      toMagnitude(size ?? 0) >= toMagnitude(toAlarmSize(alarm) ?? 0) &&
      at > later(now, -computeRepeatMs(alarm.kind)),
  );

/** Owes what is not told yet. The alarms are the caller's, see `takeAlarms`. */
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
 * Tells of what a transaction found, as the last thing that it waits for. By the time that it is
 * then, so that what was told or called off meanwhile goes out before.
 */
export async function raiseAlarms(tx: Tx, alarms: readonly Alarm[]): Promise<void> {
  if (alarms.length === 0) return;
  await lockAlarms(tx);
  const now = await readClock(tx);
  await enqueueAlarms(tx, alarms, await readOpenAlarms(tx, now), now);
}

/** Now; later than the last time, also where the clock stands still or was set back. */
async function readAlarmStart(tx: Tx, alarm: Alarm, now: Instant): Promise<Instant> {
  const { rows } = await sql<{ last: Instant | null }>`
    SELECT max((n.params->>'since')::timestamptz) AS last FROM perennial.notification n
    WHERE n.customer_id IS NULL AND n.kind = ${alarm.kind}
      AND ${sql.raw(toAlarmSubjectSql('n'))} = ${toAlarmSubject(alarm)}
      AND n.created_at >= ${isoTime(later(now, -dayMs))}`.execute(tx);
  const last = rows[0]?.last ?? null;
  return last === null || last < now ? now : later(last, 1);
}

/** Says that these are over. */
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

/** As `alarmSubject` has it. */
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
