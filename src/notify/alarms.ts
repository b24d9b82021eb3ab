import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { dayMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import type { AdminKind } from './kinds.ts';
import { type NewNotice, owe } from './outbox.ts';

// Alarms are notices to the admins. One is open from when it was owed until `alarm_over` is owed of
// the same kind and subject; while it is open it isn't told again but once a day. All that needs
// no table of its own: the notices say it.

export type AlarmKind = Exclude<AdminKind, 'alarm_over'>;

export interface OpenAlarm {
  readonly kind: AlarmKind;
  /** What it is about: a worker, a node, a machine. */
  readonly subject: string;
  readonly dedupeKey: string;
  readonly createdAt: Instant;
}

export type Alarm = Extract<NewNotice, { kind: AlarmKind }>;

/** An alarm that stays open is told again after this long, and counts as open for a month. */
export const toldAgainMs = dayMs;
const openForMs = 30 * dayMs;

/** What the alarm of this row is about. */
export const alarmSubject = (row: string) =>
  sql.raw(
    `coalesce(${['subject', 'worker', 'node', 'replica'].map((name) => `${row}.params->>'${name}'`).join(', ')})`,
  );

/**
 * One at a time over all replicas, so that of two that see the same trouble the second sees that it
 * is told. Nobody holds it for longer than the few statements of its transaction.
 */
export async function takeAlarms(tx: Tx): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('perennial.alarms'))`.execute(tx);
}

/** The alarms whose last word is not that it is over: one a kind and subject. */
export async function readOpenAlarms(tx: Tx, now: Instant): Promise<OpenAlarm[]> {
  const { rows } = await sql<OpenAlarm>`
    SELECT kind, subject, "dedupeKey", "createdAt"
    FROM (
      SELECT DISTINCT ON (alarm, subject) kind, alarm, subject, dedupe_key AS "dedupeKey",
        created_at AS "createdAt"
      FROM (
        SELECT n.id, n.kind, ${alarmSubject('n')} AS subject, n.dedupe_key, n.created_at,
          CASE WHEN n.kind = 'alarm_over' THEN n.params->>'alarm' ELSE n.kind END AS alarm
        FROM perennial.notification n
        WHERE n.customer_id IS NULL AND n.created_at > ${isoTime(later(now, -openForMs))}) told
      ORDER BY alarm, subject, created_at DESC, id DESC) last
    WHERE kind <> 'alarm_over' ORDER BY kind, subject`.execute(tx);
  return rows;
}

/** Owes what is not told yet. The alarms are the caller's, see `takeAlarms`. */
export async function raise(
  tx: Tx,
  alarms: readonly Alarm[],
  open: readonly OpenAlarm[],
  now: Instant,
): Promise<bigint> {
  const untold = alarms.flatMap((alarm) => {
    const told = open.find((one) => one.kind === alarm.kind && one.subject === subjectOf(alarm));
    if (told === undefined) return alarm;
    if (told.createdAt > later(now, -toldAgainMs)) return [];
    return { ...alarm, dedupeKey: `${alarm.dedupeKey}, still ${isoTime(now)}` };
  });
  return owe(tx, untold, now);
}

/** Says that these are over. */
export async function callOff(tx: Tx, over: readonly OpenAlarm[], now: Instant): Promise<bigint> {
  const notices = over.map(
    ({ kind, subject, dedupeKey }): NewNotice => ({
      customerId: null,
      subscriptionId: null,
      kind: 'alarm_over',
      dedupeKey: `over:${dedupeKey}`,
      params: { alarm: kind, subject },
    }),
  );
  return owe(tx, notices, now);
}

/** As `alarmSubject` has it. */
export function subjectOf({ params }: Alarm): string {
  const { subject, worker, node, replica }: Readonly<Record<string, unknown>> = { ...params };
  return String(subject ?? worker ?? node ?? replica);
}

/** An alarm with a key that names this time of trouble: when it began, or was found. */
export function alarmOf<K extends AlarmKind>(
  kind: K,
  params: Extract<Alarm, { kind: K }>['params'],
  since: Instant,
): Alarm {
  const alarm = { customerId: null, subscriptionId: null, kind, params, dedupeKey: '' } as Alarm;
  return { ...alarm, dedupeKey: `${kind}:${subjectOf(alarm)}:${isoTime(since)}` };
}
