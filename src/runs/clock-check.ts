import { skewMaxMs } from '../db/clock.ts';
import type { Db } from '../db/connect.ts';
import { type ClockReading, readClockReading } from '../db/trusted-time.ts';
import type { Log } from '../logging/log.ts';
import { watchClock } from './clock/watch.ts';

/** The reason of a skipped run. The run record stores it. */
export interface SkipReason {
  readonly reason: string;
  /** Only if the clock of this machine is off. `run-record.ts` raises the alarm with it. */
  readonly skew_s?: number;
  readonly code?: string;
}

/** `time`: the run charges, expires, reminds or compares by the time of the database. */
export type ClockBasis = 'time' | 'nothing';

/**
 * Checks whether a run may start now.
 *
 * - A machine whose own clock is over 30 s off the database runs nothing.
 * - While the time of the database is suspect, only runs with the basis `nothing` start.
 *
 * @returns undefined if the run may start
 */
export async function checkClock(
  db: Db,
  worker: string,
  log: Pick<Log, 'error'>,
  basis: ClockBasis,
): Promise<SkipReason | undefined> {
  const reading = await readClockReading(db);
  const { trust, skewMs } = needsWatch(reading) ? await watchClock(db) : reading;
  if (basis === 'time' && trust.kind === 'suspect' && trust.isLocal !== true) {
    const { reason, cause } = trust;
    return { reason, code: cause === 'commits_lost' ? cause : 'clock_suspect' };
  }
  if (Math.abs(skewMs) <= skewMaxMs) return undefined;
  const skew_s = Math.round(skewMs / 1_000);
  const reason = `this machine's clock is ${skew_s} s off the database's`;
  log.error({ worker, skewMs }, reason);
  return { reason, skew_s };
}

/** Something must be stored: a suspicion, its end, or the first witness of this machine. */
function needsWatch({ isStored, stored, trust, witness }: ClockReading): boolean {
  if (isStored) return false;
  return stored !== null || trust.kind === 'suspect' || witness === null;
}
