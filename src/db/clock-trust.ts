import { type Instant, minuteMs } from '../kernel/instant.ts';

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

/** A larger difference is a jump. */
export const jumpMinMs = minuteMs;
/** Twice the drift of a quartz without synchronisation. */
const driftPerMs = 1 / 10_000;

export type SuspicionCause = 'ahead' | 'back' | 'commits_lost';

/** Why the time is not trusted. */
export interface Suspicion {
  readonly cause: SuspicionCause;
  /** How far the clock is off. 0 for lost commits. */
  readonly byMs: number;
  /** One sentence without a full stop. */
  readonly reason: string;
  /** Only this process suspects the time: nothing is stored. */
  readonly isLocal?: true;
}

export type ClockTrust = { readonly kind: 'trusted' } | ({ readonly kind: 'suspect' } & Suspicion);

/** A clock that only goes forward, at a trusted time of the database. */
export interface ClockWitness {
  readonly name: string;
  readonly uptimeMs: number;
  readonly at: Instant;
  /** The time was at least `at`. */
  readonly isFloor: boolean;
}

export interface ClockFacts {
  readonly now: Instant;
  readonly isStored: boolean;
  readonly markAt: Instant | null;
  readonly stored: Suspicion | null;
  readonly timeline: number | null;
  readonly knownTimeline: number | null;
  readonly wasSynchronous: boolean;
  /** Of this machine; null if this boot of the machine has none. */
  readonly witness: ClockWitness | null;
  /** The uptime of this machine before and after the database was read. */
  readonly uptimeMs: { readonly from: number; readonly to: number };
  readonly machine: string;
  /** The lead of this machine's wall clock over the server's, within half a round trip. */
  readonly skewMs: number;
}

const trusted: ClockTrust = { kind: 'trusted' };

const wholeSeconds = (ms: number): string => `${Math.round(ms / 1_000)} s`;

/** The distance of `now` from the time that the witness expects. Above 0: ahead. 0: within the read. */
export function shiftOf(
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
export const toleranceMs = (passedMs: number): number =>
  jumpMinMs + Math.max(0, passedMs) * driftPerMs;

/** A jump that a witness shows. undefined: the witness agrees. */
export function jumpBy(
  now: Instant,
  witness: ClockWitness,
  read: ClockFacts['uptimeMs'],
): Suspicion | undefined {
  const shiftMs = shiftOf(now, witness, read);
  if (Math.abs(shiftMs) <= toleranceMs(read.to - witness.uptimeMs)) return undefined;
  return suspicionOf(shiftMs, `the uptime of ${witness.name}`);
}

/** @param by the clock that shows it, in words */
export function suspicionOf(shiftMs: number, by: string): Suspicion {
  const byMs = Math.abs(shiftMs);
  const cause = shiftMs > 0 ? 'ahead' : 'back';
  const way = cause === 'ahead' ? 'ahead of' : 'behind';
  return { cause, byMs, reason: `the database clock is ${wholeSeconds(byMs)} ${way} ${by}` };
}

export const lostCommits = (reason: string): Suspicion => ({
  cause: 'commits_lost',
  byMs: 0,
  reason,
});

/** The suspicion that the clocks give now, without the stored one. undefined: no suspicion. */
export function freshSuspicion(facts: ClockFacts): Suspicion | undefined {
  const { now, markAt, witness, uptimeMs, timeline, knownTimeline } = facts;
  if (facts.isStored) return undefined;
  const isNewTimeline = timeline !== null && knownTimeline !== null && timeline !== knownTimeline;
  if (isNewTimeline && !facts.wasSynchronous) {
    return lostCommits(
      `the database server changed from timeline ${knownTimeline} to ${timeline}: its last commits may be lost`,
    );
  }
  const jump = witness === null ? undefined : jumpBy(now, witness, uptimeMs);
  if (jump !== undefined) return jump;
  if (markAt !== null && markAt - now > jumpMinMs) {
    return suspicionOf(now - markAt, 'its high-water mark');
  }
  return undefined;
}

/** The suspicion of a process without a witness. A floor is no witness of the passed time. */
export function skewSuspicion({
  isStored,
  witness,
  skewMs,
  machine,
}: ClockFacts): Suspicion | undefined {
  if (isStored || (witness !== null && !witness.isFloor)) return undefined;
  if (Math.abs(skewMs) <= jumpMinMs) return undefined;
  return { ...suspicionOf(-skewMs, `the clock of ${machine}`), isLocal: true };
}

/** True if a transaction may use this time. */
export function judgeClock(facts: ClockFacts): ClockTrust {
  if (facts.isStored) return trusted;
  const suspicion = facts.stored ?? freshSuspicion(facts) ?? skewSuspicion(facts);
  return suspicion === undefined ? trusted : { kind: 'suspect', ...suspicion };
}
