import { sql } from 'kysely';
import { skewMaxMs } from '../../db/clock.ts';
import {
  advanceMark,
  type ClockMemory,
  createClockState,
  lockClockState,
  peerAgeMaxMs,
  readDifferenceMaxMs,
  writeWitness,
} from '../../db/clock-mark.ts';
import {
  type ClockSuspicion,
  detectSkew,
  detectSuspicion,
  suspectLostCommits,
} from '../../db/clock-trust.ts';
import { detectNodeSuspicion, type NodeVote } from '../../db/clock-votes.ts';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { thisMachine } from '../../db/machine.ts';
import { type ClockReading, readClockReading } from '../../db/trusted-time.ts';
import { type Instant, isoTime, later, minuteMs, secondMs } from '../../kernel/instant.ts';
import { raiseAlarms } from '../../outbox/alarms.ts';

// The state of the time sentinel, which all replicas and commands share:
//
//   trusted ── a clock contradicts, or commits are lost ──▶ suspect (stored, alarmed)
//   suspect ── the same clock agrees again, or `perennial clock accept` ──▶ trusted
//
// A machine whose own clock contradicts the database, and that has no witness, stores nothing.
//
// While the time is trusted, each check advances the high-water mark, the witness of this machine
// and those of the nodes. A suspect time advances nothing.

export interface ClockEvidence {
  /** Only for a process that checks repeatedly. */
  readonly memory?: ClockMemory;
  /** The uptimes of the nodes, read immediately before. */
  readonly votes?: readonly NodeVote[];
}

/** A machine that has been a witness for less time proves nothing to others. */
const establishedMs = minuteMs;

/**
 * Checks the clocks, and stores the result. One process checks at a time. Another process only
 * reads.
 * @returns the reading, with the trust that follows
 */
export function watchClock(db: Db, evidence: ClockEvidence = {}): Promise<ClockReading> {
  return inTransaction(db, async (tx) => {
    const hasLock = await lockClockState(tx);
    const reading = await readClockReading(tx);
    const { isStored, timeline, witness, now, stored, beat } = reading;
    if (isStored || timeline === null) return reading;
    const { isStateMissing } = reading;
    if (stored !== null && isStateMissing && (await createClockState(tx, now, stored))) {
      await raiseAlarm(tx, stored);
    }
    if (!hasLock) return reading;
    const nodes = witness === null ? detectNodeSuspicion(now, evidence.votes ?? []) : undefined;
    const suspicion =
      detectCommitLoss(reading, evidence.memory) ?? detectSuspicion(reading) ?? nodes?.suspicion;
    const isLocal = suspicion === undefined && detectSkew(reading) !== undefined;
    if (isLocal && !(await peersAgree(tx, now))) return reading;
    if (await canAdvanceMark(tx, reading, suspicion)) {
      const isTrusted = await advanceMark(tx, reading, evidence.memory);
      return isTrusted ? { ...reading, stored: null, trust: { kind: 'trusted' } } : reading;
    }
    if (suspicion?.cause === 'commits_lost')
      Object.assign(evidence.memory ?? {}, { beat, timeline });
    if (suspicion === undefined || stored !== null) return reading;
    const suspected = nameBothClocks(suspicion, reading);
    await writeSuspicion(tx, reading, suspected, nodes?.shiftMs);
    return { ...reading, trust: { kind: 'suspect', ...suspected } };
  });
}

/** Commits that this process read before, and that are missing now. */
function detectCommitLoss(
  { beat, timeline, wasSynchronous }: ClockReading,
  memory: ClockMemory | undefined,
): ClockSuspicion | undefined {
  if (memory === undefined || memory.beat < 0n) return undefined;
  if (beat < memory.beat)
    return suspectLostCommits('the database lost commits that this replica saw');
  if (timeline === memory.timeline || wasSynchronous) return undefined;
  return suspectLostCommits(
    `the database server changed from timeline ${memory.timeline} to ${timeline}: its last commits may be lost`,
  );
}

/** If this machine has the same wrong time as the database, the reason names both clocks. */
function nameBothClocks(suspicion: ClockSuspicion, { skewMs }: ClockReading): ClockSuspicion {
  if (suspicion.cause === 'commits_lost' || Math.abs(skewMs) > skewMaxMs) return suspicion;
  const both = `the clocks of the database and of ${thisMachine.name} are`;
  return { ...suspicion, reason: suspicion.reason.replace('the database clock is', both) };
}

/** Whether this time may become the high-water mark. */
async function canAdvanceMark(
  tx: Tx,
  { now, stored, witness }: ClockReading,
  suspicion: ClockSuspicion | undefined,
): Promise<boolean> {
  if (stored?.cause === 'commits_lost' || suspicion?.cause === 'commits_lost') return false;
  // A suspicion ends by a clock that was there when it began.
  if (suspicion === undefined) return stored === null || witness !== null;
  // A machine that was suspended contradicts a right time. The other machines agree with that time.
  return peersAgree(tx, now, suspicion.isBySteps);
}

/**
 * True if another machine, or a node that a keeper probed, measured the same time as the database.
 * A clock that moves in steps agrees with each small step. Then only a machine without steps
 * counts.
 */
async function peersAgree(tx: Tx, now: Instant, isBySteps = false): Promise<boolean> {
  const [from, to] = [isoTime(later(now, -peerAgeMaxMs)), isoTime(later(now, readDifferenceMaxMs))];
  const { rows } = await sql<{ agree: boolean }>`
    SELECT EXISTS (
      SELECT FROM perennial.clock_witness w
      WHERE w.id LIKE 'boot:%' AND w.id <> ${thisMachine.id} AND NOT w.is_floor
        AND w.uptime_ms - w.since_uptime_ms >= ${establishedMs}
        AND w.at BETWEEN ${from}::timestamptz AND ${to}::timestamptz
        AND (w.stepped_ms = 0 OR NOT ${isBySteps})
    ) OR NOT ${isBySteps} AND EXISTS (
      SELECT FROM perennial.node n JOIN perennial.clock_witness w ON w.id = 'node:' || n.id
      WHERE n.last_seen_at BETWEEN ${from}::timestamptz AND ${to}::timestamptz
        AND n.uptime_s * 1000 >= w.uptime_ms
        AND abs(extract(epoch FROM n.last_seen_at - w.at) * 1000
          - (n.uptime_s * 1000 - w.uptime_ms)) <= ${minuteMs}
    ) AS agree`.execute(tx);
  return rows[0]?.agree ?? false;
}

/** Stores and alarms a suspicion. Adds a witness that can end it, if there is none. */
async function writeSuspicion(
  tx: Tx,
  { now, markAt, witness, uptimeMs }: ClockReading,
  { cause, byMs, reason }: ClockSuspicion,
  nodeShiftMs: number | undefined,
): Promise<void> {
  await sql`
    UPDATE perennial.clock_state SET suspect_cause = ${cause}, suspect_by_ms = ${Math.round(byMs)},
      suspect_reason = ${reason}, suspect_at = ${isoTime(now)}`.execute(tx);
  // A machine that arrived just before may have the wrong time.
  await sql`
    DELETE FROM perennial.clock_witness WHERE id NOT LIKE 'node:%' AND id <> ${thisMachine.id}
      AND uptime_ms - since_uptime_ms < ${establishedMs}`.execute(tx);
  if (witness === null && cause !== 'commits_lost') {
    if (nodeShiftMs !== undefined) await writeWitness(tx, uptimeMs.to, later(now, -nodeShiftMs));
    else if (markAt !== null) await writeWitness(tx, uptimeMs.to, markAt, { isFloor: true });
  }
  await raiseAlarm(tx, { cause, byMs, reason });
}

async function raiseAlarm(tx: Tx, { cause, byMs, reason }: ClockSuspicion): Promise<void> {
  const replica = cause === 'commits_lost' ? 'commits' : 'database';
  const skew_s = Math.round(byMs / secondMs);
  await raiseAlarms(tx, [{ kind: 'alarm_clock', params: { replica, skew_s, sentence: reason } }]);
}
