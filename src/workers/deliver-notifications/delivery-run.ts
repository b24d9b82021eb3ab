import { readClock } from '../../db/clock.ts';
import { toFault } from '../../db/faults.ts';
import type { JsonObject, RunOutcome } from '../../db/schema.ts';
import { checkClock } from '../../runs/clock-check.ts';
import type { RunContext } from '../../runs/run-context.ts';
import { finishRun, type RunRow, reserveRunId, startRun } from '../../runs/run-record.ts';
import { deliveryWorkerName } from './claim.ts';
import { RunCounts } from './run-counts.ts';

// A run of deliver-notifications, with its record.

export type DeliveryContext = Pick<RunContext, 'db' | 'replica' | 'log'>;

export interface DeliveryResult {
  readonly outcome: Exclude<RunOutcome, 'running'>;
  readonly detail: JsonObject;
}

/** A quarantined notification makes the run `degraded`. */
const toDegraded = (result: DeliveryResult, { counts }: RunCounts): DeliveryResult =>
  counts.quarantined === undefined ? result : { ...result, outcome: 'degraded' };

/**
 * @param deliver the work; a fault of it fails the run
 * @throws a fault of the database if the record cannot be written; the next run of this replica
 * closes it
 */
export async function recordDeliveryRun(
  { db, replica, log }: DeliveryContext,
  deliver: (runCounts: RunCounts) => Promise<DeliveryResult>,
): Promise<RunRow> {
  const id = await reserveRunId(db);
  const runCounts = new RunCounts(id);
  const runDelivery = async (): Promise<DeliveryResult> => {
    try {
      const skipReason = await checkClock(db, deliveryWorkerName, log, 'nothing');
      if (skipReason === undefined) return toDegraded(await deliver(runCounts), runCounts);
      return { outcome: 'skipped', detail: { ...skipReason } };
    } catch (error) {
      const { kind, code, message } = toFault(error);
      log.error({ worker: deliveryWorkerName, code, err: error }, 'run failed');
      return { outcome: 'failed', detail: { kind, code, error: message } };
    }
  };
  try {
    await startRun(db, id, deliveryWorkerName, replica, await readClock(db));
    const { outcome, detail } = await runDelivery();
    return await finishRun(db, id, await readClock(db), outcome, {
      ...runCounts.detail,
      ...detail,
    });
  } catch (error) {
    replica.unclosed.add(id);
    throw error;
  }
}
