import { walkBatches } from './batches.ts';
import { retryQuarantined, settleBatch, toTooManyFailuresFault } from './failed-batches.ts';
import { raiseGuardAlarms } from './guard-alarms.ts';
import { readQuarantinedItems } from './quarantine.ts';
import { mustStop, type RunContext, RunState, type WorkerRun } from './run-context.ts';
import { type RunResult, type RunRow, withRunRecord } from './run-record.ts';
import type { SubscriptionWorker } from './worker.ts';

// One run of a worker over due subscriptions, batch by batch.
//
// 1. The run ends when no due row is left, the budget is spent, or the process is asked to stop.
//    A batch that has begun is finished.
// 2. Each batch is one transaction. Two batches may be open at once (`batches.ts`).
// 3. A batch that fails by a permanent fault is halved until the bad item is alone. This item goes
//    to quarantine (`failed-batches.ts`, `bisection.ts`).
// 4. A transient fault fails the run. The next run starts from the current state.
// 5. Items in quarantine whose retry is due come last, in a batch with separate limits. So old
//    failures delay no new item.

/**
 * Executes one run.
 * @returns its record
 * @throws if the record cannot be written; the next run of this replica closes it
 */
export async function runWorker<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  context: RunContext,
): Promise<RunRow> {
  const row = await withRunRecord(context, { worker: worker.name }, ({ id, isOnlyRun }) =>
    runPasses({ worker, context, id, state: new RunState(isOnlyRun) }),
  );
  await raiseGuardAlarms(context.db, row);
  return row;
}

async function runPasses<Facts, Outcome>(run: WorkerRun<Facts, Outcome>): Promise<RunResult> {
  const { worker, context, state } = run;
  const { db } = context;
  await worker.prepare?.(db, () => mustStop(context));
  const { skip, retries } = await readQuarantinedItems(db, worker.name);
  for (const pass of worker.passes) {
    for await (const batch of walkBatches(run, pass, skip)) await settleBatch(run, batch);
  }
  await retryQuarantined(run, retries);
  const { unhandledFault } = state.newItemBisection;
  if (unhandledFault !== undefined) throw toTooManyFailuresFault(unhandledFault);
  return toRunResult(state);
}

function toRunResult({ counts, failed, hasWorkLeft }: RunState): RunResult {
  const workLeftDetail = hasWorkLeft ? { work_left: true } : {};
  if (failed > 0) {
    return { outcome: 'degraded', detail: { quarantined: failed, ...workLeftDetail } };
  }
  const { held = 0, held_charges = 0 } = counts;
  if (held + held_charges > 0) return { outcome: 'degraded', detail: workLeftDetail };
  return { outcome: hasWorkLeft ? 'partial' : 'success' };
}
