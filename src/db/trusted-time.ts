import { type RawBuilder, sql } from 'kysely';
import { Fault } from '../kernel/faults.ts';
import { type Instant, secondMs } from '../kernel/instant.ts';
import {
  assessClock,
  type ClockFacts,
  type ClockSuspicion,
  type ClockTrust,
  type MachineWitness,
  suspectLostCommits,
} from './clock-trust.ts';
import type { Db, Tx } from './connect.ts';
import { thisMachine } from './machine.ts';

// The time of the database, and the evidence for its trust. One statement reads both, so a
// transaction is checked by the same value that it uses.

/** A read of the clock. */
export interface ClockReading extends ClockFacts {
  readonly trust: ClockTrust;
  /** The time of the server, also if a test database has stored another one. */
  readonly serverAt: Instant;
  readonly beat: bigint;
  /** `clock_state` has no row: another program deleted it. */
  readonly isStateMissing: boolean;
}

/** Lasts until a person confirms the state, because the deleted row may have had a suspicion. */
const missingState = suspectLostCommits('the row of the table clock_state was deleted');

interface ClockRow {
  readonly now: Instant;
  readonly serverAt: Instant;
  readonly isStored: boolean;
  readonly markAt: Instant | null;
  readonly beat: bigint;
  readonly isStateMissing: boolean;
  readonly timeline: number | null;
  readonly knownTimeline: number | null;
  readonly wasSynchronous: boolean;
  readonly suspectCause: ClockSuspicion['cause'] | null;
  readonly suspectByMs: bigint | null;
  readonly suspectReason: string | null;
  readonly witnessUptimeMs: bigint | null;
  readonly witnessAt: Instant | null;
  readonly witnessIsFloor: boolean | null;
  readonly steppedMs: bigint | null;
  readonly stepsSinceMs: bigint | null;
}

/** The timeline on which the server writes. null: it is a standby. */
const timelineSql = sql`CASE WHEN pg_is_in_recovery() THEN NULL
  ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END`;

const buildClockQuery = (): RawBuilder<ClockRow> => sql<ClockRow>`
  SELECT perennial.clock() AS now, clock_timestamp() AS "serverAt",
    i.test AND i.clock_at IS NOT NULL AS "isStored", c.mark_at AS "markAt",
    coalesce(c.beat, 0) AS beat, c.only_row IS NULL AS "isStateMissing",
    ${timelineSql} AS timeline, c.timeline AS "knownTimeline", coalesce(c.synchronous, false) AS "wasSynchronous",
    c.suspect_cause AS "suspectCause", c.suspect_by_ms AS "suspectByMs",
    c.suspect_reason AS "suspectReason", w.uptime_ms AS "witnessUptimeMs", w.at AS "witnessAt",
    w.is_floor AS "witnessIsFloor", w.stepped_ms AS "steppedMs",
    w.steps_since_uptime_ms AS "stepsSinceMs"
  FROM perennial.installation i LEFT JOIN perennial.clock_state c ON true
  LEFT JOIN perennial.clock_witness w ON w.id = ${thisMachine.id}`;

/** The time and its trust, from one statement without writes. */
export async function readClockReading(db: Db | Tx): Promise<ClockReading> {
  const from = thisMachine.uptimeMs();
  const wallFromMs = Date.now();
  const { rows } = await buildClockQuery().execute(db);
  const uptimeMs = { from, to: thisMachine.uptimeMs() };
  const wallMs = (wallFromMs + Date.now()) / 2;
  const row = rows[0] as ClockRow;
  const { now, serverAt, isStored, markAt, beat, knownTimeline, wasSynchronous } = row;
  const { isStateMissing } = row;
  const facts: ClockFacts = {
    now,
    isStored,
    markAt,
    timeline: row.timeline,
    knownTimeline,
    wasSynchronous,
    stored: isStateMissing ? missingState : toStoredSuspicion(row),
    witness: toWitness(row, from),
    uptimeMs,
    machine: thisMachine.name,
    skewMs: wallMs - serverAt,
  };
  return { ...facts, serverAt, beat, isStateMissing, trust: assessClock(facts) };
}

function toStoredSuspicion({
  suspectCause,
  suspectByMs,
  suspectReason,
}: ClockRow): ClockSuspicion | null {
  if (suspectCause === null) return null;
  return { cause: suspectCause, byMs: Number(suspectByMs), reason: suspectReason ?? '' };
}

/** A smaller uptime is that of another container start on this machine. */
function toWitness(row: ClockRow, uptimeNowMs: number): MachineWitness | null {
  const { witnessAt, witnessUptimeMs, witnessIsFloor } = row;
  if (witnessAt === null || Number(witnessUptimeMs) > uptimeNowMs + secondMs) return null;
  return {
    name: thisMachine.name,
    uptimeMs: Number(witnessUptimeMs),
    at: witnessAt,
    isFloor: witnessIsFloor === true,
    steppedMs: Number(row.steppedMs),
    stepsSinceMs: Number(row.stepsSinceMs),
  };
}

/** The refusal of work that needs the time. A program may try again. */
export function createClockFault({ cause, reason }: ClockSuspicion): Fault {
  const isLoss = cause === 'commits_lost';
  const consequence = isLoss
    ? 'changes wait until a person confirms this state'
    : 'this change waits until the clock is right again or a person confirms it';
  return new Fault(
    'transient',
    isLoss ? 'commits_lost' : 'clock_suspect',
    `${reason}: ${consequence}`,
    undefined,
    '"perennial clock accept" confirms it',
  );
}

/** Whether a fault is the refusal of an untrusted time. */
export const isClockFault = ({ code }: Fault): boolean =>
  code === 'clock_suspect' || code === 'commits_lost';

/**
 * The time for a transaction that charges, ends, reminds, deletes by age or sells a period.
 * @throws Fault `clock_suspect`, `commits_lost`
 */
export async function readTrustedTime(db: Db | Tx): Promise<Instant> {
  const { now, trust } = await readClockReading(db);
  if (trust.kind === 'suspect') throw createClockFault(trust);
  return now;
}

/**
 * The time for a transaction whose effect does not depend on the time, such as a top-up.
 * @throws Fault `commits_lost`
 */
export async function readWriteTime(db: Db | Tx): Promise<Instant> {
  const { now, trust } = await readClockReading(db);
  if (trust.kind === 'suspect' && trust.cause === 'commits_lost') throw createClockFault(trust);
  return now;
}
