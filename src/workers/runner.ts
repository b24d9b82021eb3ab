import { readClock } from '../db/clock.ts';
import { faultOf } from '../db/faults.ts';
import type { JsonObject, RunOutcome } from '../db/schema.ts';
import { isClockFault } from '../db/trusted-time.ts';
import type { RunId } from '../kernel/ids.ts';
import { carryOut } from './batch.ts';
import { unfitness } from './fitness.ts';
import { type Batch, beginBatch } from './in-hand.ts';
import { afterFault, retryQuarantined, tooManyFailures } from './isolation.ts';
import { heldItems } from './quarantine.ts';
import { isOver, Progress, type RunContext } from './run-context.ts';
import { finishGuardedRun, type RunRow, reserveRunId, startRun } from './run-record.ts';
import type { Cursor, Found, Pass, SubscriptionWorker } from './worker.ts';

// One run of a worker: page after page of due rows, each in a transaction of its own, until there
// is nothing left, the budget is spent, or somebody asks to stop. Batches are whole: a run that is
// stopped ends what it has in hand.
//
// That is one batch, or two where the worker lets and no other run of it goes on: while the one is
// written, the next is found, locked and read on another connection. They never share a customer
// (`in-hand.ts`), so money is spent in the order of the walk, as if there were one at a time.
//
// A batch that fails by a permanent fault is halved until the bad item is alone, and that goes to
// quarantine (`halving.ts`). A transient fault fails the run: the next one starts from what is true
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
    const alone = await startRun(db, id, worker.name, replica, await readClock(db));
    return await recorded(worker, context, id, alone);
  } catch (error) {
    replica.unclosed.add(id);
    throw error;
  }
}

/** The work of a run whose record is open, and the closing of that. */
async function recorded<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  context: RunContext,
  id: RunId,
  alone: boolean,
): Promise<RunRow> {
  const { db } = context;
  const progress = new Progress(alone);
  const finish = async (outcome: Exclude<RunOutcome, 'running'>, more: JsonObject = {}) =>
    finishGuardedRun(db, id, await readClock(db), outcome, more);

  try {
    const unfit = await unfitness(db, worker.name, context.log);
    if (unfit !== undefined) return await finish('skipped', { ...unfit });
    await worker.prepare?.(db, () => isOver(context));
    const { skip, retries } = await heldItems(db, worker.name);
    for (const pass of worker.passes) await walk(worker, pass, context, id, progress, skip);
    await retryQuarantined(worker, context, id, progress, retries);
    const { leftBy } = progress.fresh;
    if (leftBy !== undefined) throw tooManyFailures(leftBy);
  } catch (error) {
    const fault = faultOf(error);
    if (isClockFault(fault))
      return await finish('skipped', { reason: fault.message, code: fault.code });
    context.log.error({ worker: worker.name, code: fault.code, err: fault }, 'run failed');
    return await finish('failed', { kind: fault.kind, code: fault.code, error: fault.message });
  }
  const left = progress.workLeft ? { work_left: true } : {};
  if (progress.failed > 0) return finish('degraded', { quarantined: progress.failed, ...left });
  const { held = 0, held_charges = 0 } = progress.counts;
  if (held + held_charges > 0) return finish('degraded', left);
  return finish(progress.workLeft ? 'partial' : 'success');
}

/** One walk over the due rows of a pass. */
async function walk<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  pass: Pass,
  context: RunContext,
  id: RunId,
  progress: Progress,
  skip: readonly string[],
): Promise<void> {
  let after: Cursor | undefined;
  let carried: readonly Found[] = [];
  let inHand: Batch | undefined;
  const settle = async (batch: Batch) => {
    const end = await batch.ended;
    if (end.status === 'rejected') {
      await afterFault(worker, batch.items, end.reason, context, id, progress, progress.fresh);
    } else if (end.value !== undefined) {
      progress.add(end.value);
      progress.fresh.succeeded();
    }
  };
  try {
    for (;;) {
      if (isOver(context)) {
        progress.workLeft = true;
        break;
      }
      const before = inHand;
      const page = { after, max: context.batchMax - carried.length, skip };
      const find = { pass, page, carried, inHand: before?.items ?? [] };
      inHand = await beginBatch(context.db, find, (tx, items, setting, locked) =>
        carryOut(worker, tx, items, setting, context, id, progress, locked),
      );
      if (before !== undefined) await settle(before);
      if (before !== undefined && progress.comesAgain) {
        // This page may have been found before that was committed: from its start again.
        carried = [];
      } else if (inHand.items.length === 0 && inHand.left.length === 0) {
        break;
      } else {
        after = inHand.end ?? after;
        carried = inHand.left;
      }
      if (!worker.twoAtOnce || !inHand.full || !progress.alone) {
        await settle(inHand);
        inHand = undefined;
      }
      progress.comesAgain = false;
      // Everybody else in this process gets a turn between two batches.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (inHand !== undefined) await settle(inHand);
  } finally {
    await inHand?.ended; // of a run that failed nothing is under way any more
  }
}
