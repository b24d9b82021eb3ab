import type { JsonObject, RunOutcome } from '../../db/schema.ts';
import type { RunContext } from '../../runs/run-context.ts';
import { type RunRow, withRunRecord } from '../../runs/run-record.ts';
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
export function recordDeliveryRun(
  context: DeliveryContext,
  deliver: (runCounts: RunCounts) => Promise<DeliveryResult>,
): Promise<RunRow> {
  const options = { worker: deliveryWorkerName, clockBasis: 'nothing' } as const;
  return withRunRecord(context, options, async (run) => {
    const runCounts = new RunCounts(run.id);
    run.detail = () => runCounts.detail;
    return toDegraded(await deliver(runCounts), runCounts);
  });
}
