import { sql } from 'kysely';
import {
  dayMs,
  hourMs,
  type Instant,
  isoTime,
  later,
  minuteMs,
  secondMs,
} from '../kernel/instant.ts';
import { type ClockSuspicion, type MachineWitness, stepsToStore } from './clock-trust.ts';
import type { Db, Tx } from './connect.ts';
import { thisMachine } from './machine.ts';
import { type ClockReading, readClockReading } from './trusted-time.ts';

// The writes of the time sentinel: the high-water mark, the witnesses, and the time of deletions.

/** The last beat and timeline that this process saw committed. */
export interface ClockMemory {
  /** -1: no beat yet. */
  beat: bigint;
  timeline: number | null;
}

/** A longer read is too inexact for a witness. */
const readMaxMs = 5 * secondMs;
/** A witness that agreed within this time agrees now. */
export const peerAgeMaxMs = 30 * secondMs;
/** Two clocks at one time. */
export const readDifferenceMaxMs = secondMs;
/** How long the witness of a removed machine is kept. */
const witnessRetentionMs = 30 * dayMs;

const timelineNow = sql.raw(
  `('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int`,
);

/** A check of the sentinel takes milliseconds. @returns false: another transaction has the lock */
export async function lockClockState(tx: Tx, locked: 'skip' | 'wait' = 'skip'): Promise<boolean> {
  const { rows } = await sql`
    SELECT FROM perennial.clock_state
    FOR UPDATE ${locked === 'skip' ? sql`SKIP LOCKED` : sql``}`.execute(tx);
  return rows.length === 1;
}

/** Creates the missing row of the state, with this suspicion. @returns false: another one did */
export async function createClockState(
  tx: Tx,
  now: Instant,
  { cause, byMs, reason }: ClockSuspicion,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    INSERT INTO perennial.clock_state (suspect_cause, suspect_by_ms, suspect_reason, suspect_at)
    VALUES (${cause}, ${byMs}, ${reason}, ${isoTime(now)})
    ON CONFLICT DO NOTHING`.execute(tx);
  return numAffectedRows === 1n;
}

/**
 * Stores this time as the mark, and ends a suspicion. The caller has locked the state.
 * @returns false: the read took too long
 */
export async function advanceMark(
  tx: Tx,
  reading: ClockReading,
  memory?: ClockMemory,
): Promise<boolean> {
  const { now, uptimeMs } = reading;
  if (uptimeMs.to - uptimeMs.from > readMaxMs) return false;
  const { rows } = await sql<{ beat: bigint; timeline: number }>`
    UPDATE perennial.clock_state SET mark_at = greatest(mark_at, ${isoTime(now)}::timestamptz),
      beat = beat + 1, timeline = ${timelineNow},
      synchronous = current_setting('synchronous_standby_names') <> ''
        AND current_setting('synchronous_commit') NOT IN ('off', 'local'),
      suspect_cause = NULL, suspect_by_ms = NULL, suspect_reason = NULL, suspect_at = NULL
    RETURNING beat, timeline`.execute(tx);
  const steps = stepsToStore(reading);
  await writeWitness(tx, (uptimeMs.from + uptimeMs.to) / 2, now, { steps });
  await writeNodeWitnesses(tx, now);
  if (memory !== undefined) Object.assign(memory, rows[0]);
  return true;
}

interface WitnessMore {
  readonly isFloor?: boolean;
  /** undefined: the sum of the steps begins now. */
  readonly steps?: Pick<MachineWitness, 'steppedMs' | 'stepsSinceMs'> | undefined;
}

/** Stores that this machine showed this uptime at this time. */
export async function writeWitness(
  tx: Tx,
  uptimeMs: number,
  at: Instant,
  { isFloor = false, steps }: WitnessMore = {},
): Promise<void> {
  const { id, name } = thisMachine;
  const uptime = Math.round(uptimeMs);
  const { steppedMs, stepsSinceMs } = steps ?? { steppedMs: 0, stepsSinceMs: uptime };
  await sql`
    INSERT INTO perennial.clock_witness AS w (id, name, uptime_ms, since_uptime_ms, at, is_floor,
      stepped_ms, steps_since_uptime_ms)
    VALUES (${id}, ${name}, ${uptime}, ${uptime}, ${isoTime(at)}, ${isFloor},
      ${Math.round(steppedMs)}, ${Math.round(stepsSinceMs)})
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, uptime_ms = excluded.uptime_ms,
      since_uptime_ms = least(w.since_uptime_ms, excluded.since_uptime_ms), at = excluded.at,
      is_floor = excluded.is_floor, stepped_ms = excluded.stepped_ms,
      steps_since_uptime_ms = excluded.steps_since_uptime_ms`.execute(tx);
}

/** Stores the uptimes that keepers have just read, and removes witnesses of removed nodes. */
async function writeNodeWitnesses(tx: Tx, now: Instant): Promise<void> {
  const [from, to] = [isoTime(later(now, -peerAgeMaxMs)), isoTime(later(now, readDifferenceMaxMs))];
  await sql`
    INSERT INTO perennial.clock_witness (id, name, uptime_ms, since_uptime_ms, at)
    SELECT 'node:' || id, 'node ' || id, uptime_s * 1000, uptime_s * 1000, last_seen_at
    FROM perennial.node WHERE uptime_s IS NOT NULL
      AND last_seen_at BETWEEN ${from}::timestamptz AND ${to}::timestamptz
    ON CONFLICT (id) DO UPDATE SET uptime_ms = excluded.uptime_ms, at = excluded.at`.execute(tx);
  await sql`
    DELETE FROM perennial.clock_witness w
    WHERE w.at < ${isoTime(later(now, -witnessRetentionMs))}
      OR w.id LIKE 'process:%' AND w.at < ${isoTime(later(now, -dayMs))}
      OR w.id LIKE 'node:%' AND NOT EXISTS (
        SELECT FROM perennial.node n WHERE 'node:' || n.id = w.id)`.execute(tx);
}

/** A witness that is older than this is written again by a command. */
const witnessAgeMaxMs = minuteMs;

/** Updates the mark and the witness if no service does: at most one write a minute. */
export async function refreshMark(tx: Tx, reading: ClockReading): Promise<void> {
  const { isStored, trust, timeline, witness, uptimeMs } = reading;
  if (isStored || timeline === null || trust.kind === 'suspect') return;
  if (witness !== null && uptimeMs.to - witness.uptimeMs < witnessAgeMaxMs) return;
  if (await lockClockState(tx)) await advanceMark(tx, reading);
}

/**
 * The time for deletions by age: at least an hour behind, and confirmed by two reads. So a wrong
 * time that no clock contradicts deletes nothing within its first hour.
 * @returns undefined: nothing may be deleted now
 */
export async function confirmDeletionTime(db: Db): Promise<Instant | undefined> {
  const { now, trust } = await readClockReading(db);
  if (trust.kind === 'suspect') return undefined;
  const { rows } = await sql<{ at: Instant | null; nextAt: Instant | null }>`
    SELECT deletions_at AS at, deletions_next_at AS "nextAt" FROM perennial.clock_state`.execute(
    db,
  );
  const [state] = rows;
  if (state === undefined) return undefined;
  const { at, nextAt } = state;
  if (nextAt !== null && now >= nextAt && now < later(nextAt, hourMs)) return at ?? undefined;
  const hasSteppedBack = nextAt === null || now < nextAt;
  const confirmed = hasSteppedBack ? (at !== null && at <= now ? at : null) : nextAt;
  await sql`
    UPDATE perennial.clock_state SET deletions_at = ${confirmed === null ? null : isoTime(confirmed)},
      deletions_next_at = ${isoTime(now)}`.execute(db);
  return confirmed ?? undefined;
}
