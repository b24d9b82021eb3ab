import { readClock } from '../db/clock.ts';
import { toFault } from '../db/faults.ts';
import type { JsonObject, RunOutcome } from '../db/schema.ts';
import { isClockFault } from '../db/trusted-time.ts';
import type { RunId } from '../kernel/ids.ts';
import { type Batch, beginBatch } from './batches.ts';
import { checkClock } from './clock-check.ts';
import { handleBatchFault, retryQuarantined, toTooManyFailuresFault } from './isolation.ts';
import { runBatch } from './page.ts';
import { readQuarantinedItems } from './quarantine.ts';
import { mustStop, type RunContext, RunState } from './run-context.ts';
import { finishGuardedRun, type RunRow, reserveRunId, startRun } from './run-record.ts';
import type { Cursor, DueItem, DuePass, SubscriptionWorker } from './worker.ts';

// One run of a worker: page after page of due rows, each in a transaction of its own, until there
// is nothing left, the budget is spent, or somebody asks to stop. Batches are whole: a run that is
// stopped ends what it has in hand.
//
// That is one batch, or two where the worker lets and no other run of it goes on: while the one is
// written, the next is found, locked and read on another connection. They never share a customer
// (`batches.ts`), so money is spent in the order of the walk, as if there were one at a time.
//
// A batch that fails by a permanent fault is halved until the bad item is alone, and that goes to
// quarantine (`bisection.ts`). A transient fault fails the run: the next one starts from what is true
// then. Items in quarantine whose retry is due come last, as a batch of their own with limits of its
// own, so old failures delay no new item.

/**
 * Carries out one run and gives its record. Throws only where not even the record can be written;
 * the next run of this replica closes it.
 */
export async function runWorker<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  context: RunContext,
): Promise<RunRow> {
  const { db, replica } = context;
  const id = await reserveRunId(db);
  try {
    const isOnlyRun = await startRun(db, id, worker.name, replica, await readClock(db));
    return await runWithRecord(worker, context, id, isOnlyRun);
  } catch (error) {
    replica.unclosed.add(id);
    throw error;
  }
}

/** The work of a run whose record is open, and the closing of that. */
async function runWithRecord<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  context: RunContext,
  id: RunId,
  isOnlyRun: boolean,
): Promise<RunRow> {
  const { db } = context;
  const runState = new RunState(isOnlyRun);
  const finish = async (outcome: Exclude<RunOutcome, 'running'>, detail: JsonObject = {}) =>
    finishGuardedRun(db, id, await readClock(db), outcome, detail);

  try {
    const skipReason = await checkClock(db, worker.name, context.log);
    if (skipReason !== undefined) return await finish('skipped', { ...skipReason });
    await worker.prepare?.(db, () => mustStop(context));
    const { skip, retries } = await readQuarantinedItems(db, worker.name);
    for (const pass of worker.passes) await walk(worker, pass, context, id, runState, skip);
    await retryQuarantined(worker, context, id, runState, retries);
    const { unhandledFault } = runState.newItemHalving;
    if (unhandledFault !== undefined) throw toTooManyFailuresFault(unhandledFault);
  } catch (error) {
    const fault = toFault(error);
    if (isClockFault(fault))
      return await finish('skipped', { reason: fault.message, code: fault.code });
    context.log.error({ worker: worker.name, code: fault.code, err: fault }, 'run failed');
    return await finish('failed', { kind: fault.kind, code: fault.code, error: fault.message });
  }
  const workLeftDetail = runState.hasWorkLeft ? { work_left: true } : {};
  if (runState.failed > 0)
    return finish('degraded', { quarantined: runState.failed, ...workLeftDetail });
  const { held = 0, held_charges = 0 } = runState.counts;
  if (held + held_charges > 0) return finish('degraded', workLeftDetail);
  return finish(runState.hasWorkLeft ? 'partial' : 'success');
}

/** One walk over the due rows of a pass. */
async function walk<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  pass: DuePass,
  context: RunContext,
  id: RunId,
  runState: RunState,
  skip: readonly string[],
): Promise<void> {
  let after: Cursor | undefined;
  let carried: readonly DueItem[] = [];
  let inProgress: Batch | undefined;
  const finishBatch = async (batch: Batch) => {
    const result = await batch.ended;
    if (result.status === 'rejected') {
      await handleBatchFault(
        worker,
        batch.items,
        result.reason,
        context,
        id,
        runState,
        runState.newItemHalving,
      );
    } else if (result.value !== undefined) {
      runState.add(result.value);
      runState.newItemHalving.recordSuccess();
    }
  };
  try {
    for (;;) {
      if (mustStop(context)) {
        runState.hasWorkLeft = true;
        break;
      }
      const previous = inProgress;
      const page = { after, max: context.batchMax - carried.length, skip };
      const search = { pass, page, carried, inProgress: previous?.items ?? [] };
      inProgress = await beginBatch(context.db, search, (tx, items, batchSettings, locked) =>
        runBatch(worker, tx, items, batchSettings, context, id, runState, locked),
      );
      if (previous !== undefined) await finishBatch(previous);
      if (previous !== undefined && runState.dueAgain) {
        // This page may have been found before that was committed: from its start again.
        carried = [];
      } else if (inProgress.items.length === 0 && inProgress.deferred.length === 0) {
        break;
      } else {
        after = inProgress.lastKey ?? after;
        carried = inProgress.deferred;
      }
      if (!worker.pipelined || !inProgress.isFull || !runState.isOnlyRun) {
        await finishBatch(inProgress);
        inProgress = undefined;
      }
      runState.dueAgain = false;
      // Everybody else in this process gets a turn between two batches.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (inProgress !== undefined) await finishBatch(inProgress);
  } finally {
    await inProgress?.ended; // of a run that failed nothing is under way any more
  }
}
