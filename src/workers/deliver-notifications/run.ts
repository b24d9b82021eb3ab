import { readClock } from '../../db/clock.ts';
import { faultOf } from '../../db/faults.ts';
import type { JsonObject, RunOutcome } from '../../db/schema.ts';
import { unfitness } from '../fitness.ts';
import type { RunContext } from '../run-context.ts';
import { finishRun, type RunRow, reserveRunId, startRun } from '../run-record.ts';
import { worker } from './claim.ts';
import { Tally } from './tally.ts';

// A run of deliver-notifications, with its record.

export type DeliveryContext = Pick<RunContext, 'db' | 'replica' | 'log'>;

export interface Ended {
  readonly outcome: Exclude<RunOutcome, 'running'>;
  readonly detail: JsonObject;
}

/** Something is in quarantine. */
const orDegraded = (ended: Ended, { counts }: Tally): Ended =>
  counts.quarantined === undefined ? ended : { ...ended, outcome: 'degraded' };

/**
 * @param deliver the work; what it throws fails the run
 * @throws where not even the record can be written; the next run of this replica closes it
 */
export async function recorded(
  { db, replica, log }: DeliveryContext,
  deliver: (tally: Tally) => Promise<Ended>,
): Promise<RunRow> {
  const id = await reserveRunId(db);
  const tally = new Tally(id);
  const carriedOut = async (): Promise<Ended> => {
    try {
      const unfit = await unfitness(db, worker, log, 'nothing');
      if (unfit === undefined) return orDegraded(await deliver(tally), tally);
      return { outcome: 'skipped', detail: { ...unfit } };
    } catch (error) {
      const { kind, code, message } = faultOf(error);
      log.error({ worker, code, err: error }, 'run failed');
      return { outcome: 'failed', detail: { kind, code, error: message } };
    }
  };
  try {
    await startRun(db, id, worker, replica, await readClock(db));
    const { outcome, detail } = await carriedOut();
    return await finishRun(db, id, await readClock(db), outcome, { ...tally.detail, ...detail });
  } catch (error) {
    replica.unclosed.add(id);
    throw error;
  }
}
