import { clockSkewMs, skewMaxMs } from '../db/clock.ts';
import type { Db } from '../db/connect.ts';

/** What the record of a run says that a machine was not fit for. */
export interface Unfit {
  readonly reason: string;
  /** By which the admins are told (`run-record.ts`). */
  readonly skew_s: number;
}

/** A machine whose own clock is over 30 s off says so and runs nothing. */
export async function unfitness(
  db: Db,
  worker: string,
  log: { error(fields: object, message: string): void },
): Promise<Unfit | undefined> {
  const skewMs = await clockSkewMs(db);
  if (Math.abs(skewMs) <= skewMaxMs) return undefined;
  const skew_s = Math.round(skewMs / 1_000);
  const reason = `this machine's clock is ${skew_s} s off the database's`;
  log.error({ worker, skewMs }, reason);
  return { reason, skew_s };
}
