import { hourMs, type Instant, minuteMs, secondMs } from '../kernel/instant.ts';

// Whether the time of the database can be trusted. Pure: every clock is a value here.
//
// 1. The stored clock of a test database is trusted.
// 2. A suspicion that is stored holds until it is cleared.
// 3. A new timeline of the server without a synchronous standby means that commits may be lost.
// 4. The time may not be behind its high-water mark.
// 5. Since a witness was read, the database and the witness have passed the same time. A witness is
//    a clock that only goes forward: the uptime of this machine, or that of a node.
// 6. Without a witness of this boot, the wall clock of this machine has to agree. Only this process
//    suspects the time then, because that clock may be the wrong one.
// 7. The tolerance is 60 s, and 100 ppm of the passed time: clocks that differ slowly are no jump.
// 8. Smaller steps add up to a jump: the sum of the steps within an hour is over 60 s. A step is a
//    difference that no slow correction makes between two checks.

/** A larger difference is a jump. */
export const jumpMinMs = minuteMs;
/** Twice the drift of a quartz without synchronisation. */
const driftPerMs = 1 / 10_000;
/** A slow correction is slower: chrony corrects 83,333 ppm at most by default. */
const slewPerMs = 1 / 10;
/** The maximum of a slow correction and of the rounding of two reads, after this time. */
const slewMaxMs = (passedMs: number): number =>
  secondMs + Math.min(Math.max(0, passedMs), minuteMs) * slewPerMs;
/** Steps count as one jump within this time of trusted checks. */
const stepsWithinMs = hourMs;

export type ClockSuspicionCause = 'ahead' | 'back' | 'commits_lost';

/** Why the time is not trusted. */
export interface ClockSuspicion {
  readonly cause: ClockSuspicionCause;
  /** How far the clock is off. 0 for lost commits. */
  readonly byMs: number;
  /** One sentence without a full stop. */
  readonly reason: string;
  /** Only this process suspects the time: nothing is stored. */
  readonly isLocal?: true;
  /** Several steps, none of them a jump (rule 8). */
  readonly isBySteps?: true;
}

export type ClockTrust =
  | { readonly kind: 'trusted' }
  | ({ readonly kind: 'suspect' } & ClockSuspicion);

/** A clock that only goes forward, at a trusted time of the database. */
export interface ClockWitness {
  readonly name: string;
  readonly uptimeMs: number;
  readonly at: Instant;
  /** The time was at least `at`. */
  readonly isFloor: boolean;
}

/** Of this machine. */
export interface MachineWitness extends ClockWitness {
  /** The sum of the steps up to the witness. Above 0: the time of the database went ahead. */
  readonly steppedMs: number;
  /** The uptime at which the sum began. */
  readonly stepsSinceMs: number;
}

export interface ClockFacts {
  readonly now: Instant;
  readonly isStored: boolean;
  readonly markAt: Instant | null;
  readonly stored: ClockSuspicion | null;
  readonly timeline: number | null;
  readonly knownTimeline: number | null;
  readonly wasSynchronous: boolean;
  /** Of this machine; null if this boot of the machine has none. */
  readonly witness: MachineWitness | null;
  /** The uptime of this machine before and after the database was read. */
  readonly uptimeMs: { readonly from: number; readonly to: number };
  readonly machine: string;
  /** The lead of this machine's wall clock over the server's, within half a round trip. */
  readonly skewMs: number;
}

const trusted: ClockTrust = { kind: 'trusted' };

const formatSeconds = (ms: number): string => `${Math.round(ms / 1_000)} s`;

/** Distance of `now` from the time that the witness expects. Above 0: ahead. 0: within the read. */
export function computeShiftMs(
  now: Instant,
  { at, uptimeMs, isFloor }: ClockWitness,
  read: ClockFacts['uptimeMs'],
): number {
  const earliestMs = at + read.from - uptimeMs;
  const latestMs = at + read.to - uptimeMs;
  if (now < earliestMs) return now - earliestMs;
  return now > latestMs && !isFloor ? now - latestMs : 0;
}

/** The largest difference that is no jump, after this time. */
const computeToleranceMs = (passedMs: number): number =>
  jumpMinMs + Math.max(0, passedMs) * driftPerMs;

/** A jump that a witness shows. undefined: the witness agrees. */
export function detectJump(
  now: Instant,
  witness: ClockWitness,
  read: ClockFacts['uptimeMs'],
): ClockSuspicion | undefined {
  const shiftMs = computeShiftMs(now, witness, read);
  if (Math.abs(shiftMs) <= computeToleranceMs(read.to - witness.uptimeMs)) return undefined;
  return toSuspicion(shiftMs, `the uptime of ${witness.name}`);
}

/** The sum of the steps with this check. It stays the same while a suspicion keeps the witness. */
function stepsAfter(
  now: Instant,
  witness: MachineWitness,
  read: ClockFacts['uptimeMs'],
): Pick<MachineWitness, 'steppedMs' | 'stepsSinceMs'> {
  const { uptimeMs, steppedMs, stepsSinceMs } = witness;
  const shiftMs = computeShiftMs(now, witness, read);
  const stepMs = Math.abs(shiftMs) > slewMaxMs(read.to - uptimeMs) ? shiftMs : 0;
  const isOver = uptimeMs - stepsSinceMs > stepsWithinMs;
  return isOver
    ? { steppedMs: stepMs, stepsSinceMs: uptimeMs }
    : { steppedMs: steppedMs + stepMs, stepsSinceMs };
}

/** A jump in several steps. undefined: the witness agrees. */
function stepsBy(
  now: Instant,
  witness: MachineWitness,
  read: ClockFacts['uptimeMs'],
): ClockSuspicion | undefined {
  const { steppedMs } = stepsAfter(now, witness, read);
  if (Math.abs(steppedMs) <= computeToleranceMs(read.to - witness.uptimeMs)) return undefined;
  const suspicion = toSuspicion(steppedMs, `the uptime of ${witness.name}, in several steps`);
  return { ...suspicion, isBySteps: true };
}

/** @param reference the clock that shows it, in words */
export function toSuspicion(shiftMs: number, reference: string): ClockSuspicion {
  const byMs = Math.abs(shiftMs);
  const cause = shiftMs > 0 ? 'ahead' : 'back';
  const direction = cause === 'ahead' ? 'ahead of' : 'behind';
  return {
    cause,
    byMs,
    reason: `the database clock is ${formatSeconds(byMs)} ${direction} ${reference}`,
  };
}

export const suspectLostCommits = (reason: string): ClockSuspicion => ({
  cause: 'commits_lost',
  byMs: 0,
  reason,
});

/** The suspicion that the clocks give now, without the stored one. undefined: no suspicion. */
export function detectSuspicion(facts: ClockFacts): ClockSuspicion | undefined {
  const { now, markAt, witness, uptimeMs, timeline, knownTimeline } = facts;
  if (facts.isStored) return undefined;
  const isNewTimeline = timeline !== null && knownTimeline !== null && timeline !== knownTimeline;
  if (isNewTimeline && !facts.wasSynchronous) {
    return suspectLostCommits(
      `the database server changed from timeline ${knownTimeline} to ${timeline}: its last commits may be lost`,
    );
  }
  if (witness !== null) {
    const jump = detectJump(now, witness, uptimeMs) ?? stepsBy(now, witness, uptimeMs);
    if (jump !== undefined) return jump;
  }
  if (markAt !== null && markAt - now > jumpMinMs) {
    return toSuspicion(now - markAt, 'its high-water mark');
  }
  return undefined;
}

/** The suspicion of a process without a witness. A floor is no witness of the passed time. */
export function detectSkew({
  isStored,
  witness,
  skewMs,
  machine,
}: ClockFacts): ClockSuspicion | undefined {
  if (isStored || (witness !== null && !witness.isFloor)) return undefined;
  if (Math.abs(skewMs) <= jumpMinMs) return undefined;
  return { ...toSuspicion(-skewMs, `the clock of ${machine}`), isLocal: true };
}

/** True if a transaction may use this time. */
export function assessClock(facts: ClockFacts): ClockTrust {
  if (facts.isStored) return trusted;
  const suspicion = facts.stored ?? detectSuspicion(facts) ?? detectSkew(facts);
  return suspicion === undefined ? trusted : { kind: 'suspect', ...suspicion };
}

/**
 * The sum of the steps to store with a trusted time. undefined: a new sum begins, also after a
 * suspicion that a person or other machines refuted.
 */
export function stepsToStore(facts: ClockFacts): ReturnType<typeof stepsAfter> | undefined {
  const { now, witness, uptimeMs } = facts;
  if (witness === null || uptimeMs.to - witness.uptimeMs > stepsWithinMs) return undefined;
  return detectSuspicion(facts) === undefined ? stepsAfter(now, witness, uptimeMs) : undefined;
}
