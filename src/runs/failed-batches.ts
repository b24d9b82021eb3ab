import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import { inTransaction } from '../db/connect.ts';
import { isRowLocked, toFault } from '../db/faults.ts';
import { Fault } from '../kernel/faults.ts';
import { readBatchSettings, runBatch } from './batch.ts';
import type { EndedBatch } from './batches.ts';
import type { Bisection } from './bisection.ts';
import {
  findQuarantinedItems,
  isItemFault,
  quarantinedMax,
  quarantineSubscriptions,
} from './quarantine.ts';
import { mustStop, type WorkerRun } from './run-context.ts';
import { countBatch } from './run-record.ts';
import type { DueItem } from './worker.ts';

// Batches that failed: they are halved, their bad items go to quarantine, or they fail the run.
// Also the batch of retries from quarantine. `bisection.ts` has the limits.

/** A further wait for a row that another session held for the whole lock timeout. */
const halfLockTimeoutMs = 500;

/**
 * Adds the result of a batch to the run.
 * @throws the fault of the batch, unless it belongs to an item
 */
export async function settleBatch<Facts, Outcome>(
  run: WorkerRun<Facts, Outcome>,
  { items, result }: EndedBatch,
): Promise<void> {
  const bisection = run.state.newItemBisection;
  if (result.status === 'rejected') {
    await handleBatchFault(run, items, result.reason, bisection);
  } else if (result.value !== undefined) {
    run.state.add(result.value);
    bisection.recordSuccess();
  }
}

/** One batch of the retries that were due when the run began. The next run takes the others. */
export async function retryQuarantined<Facts, Outcome>(
  run: WorkerRun<Facts, Outcome>,
  retries: readonly string[],
): Promise<void> {
  const { worker, context, state } = run;
  if (mustStop(context)) return;
  const items = await findQuarantinedItems(context.db, worker.name, retries, context.batchMax);
  if (items.length === 0) return;
  await attemptBatch(run, items, state.retryBisection);
}

async function handleBatchFault<Facts, Outcome>(
  run: WorkerRun<Facts, Outcome>,
  items: readonly DueItem[],
  error: unknown,
  bisection: Bisection,
): Promise<void> {
  const { worker, context, state } = run;
  const fault = toFault(error);
  const isLocked = isRowLocked(fault);
  const [first] = items;
  if (first === undefined || !(isLocked || isItemFault(fault))) throw fault;
  switch (bisection.recordFailure(items.length, fault)) {
    case 'leave':
      return;
    case 'skip':
      context.log.warn(toLogFields(run, first, fault), 'item skipped: a row of it is locked');
      return;
    case 'isolate':
      return quarantineOne(run, first, fault);
    case 'halve':
  }
  if (mustStop(context)) {
    state.hasWorkLeft = true;
    return;
  }
  const logFields = { worker: worker.name, items: items.length, code: fault.code, err: fault };
  context.log.warn(logFields, 'batch failed, its halves are tried');
  // The halves keep the order of the items. So a balance is spent in the order of the ends, also if
  // the subscriptions of a customer are in both halves.
  const middle = Math.ceil(items.length / 2);
  for (const half of [items.slice(0, middle), items.slice(middle)]) {
    await attemptBatch(run, half, bisection, isLocked);
  }
}

/**
 * Runs a batch outside of the walk: a half, or the retries from quarantine.
 * @param isLocked the whole batch waited too long for a lock, so its halves wait for less
 */
async function attemptBatch<Facts, Outcome>(
  run: WorkerRun<Facts, Outcome>,
  items: readonly DueItem[],
  bisection: Bisection,
  isLocked = false,
): Promise<void> {
  try {
    const result = await inTransaction(run.context.db, async (tx) => {
      if (isLocked) await sql`SET LOCAL lock_timeout = ${sql.lit(halfLockTimeoutMs)}`.execute(tx);
      return runBatch(run, tx, items, await readBatchSettings(tx));
    });
    run.state.add(result);
    bisection.recordSuccess();
  } catch (error) {
    await handleBatchFault(run, items, error, bisection);
  }
}

async function quarantineOne<Facts, Outcome>(
  run: WorkerRun<Facts, Outcome>,
  item: DueItem,
  fault: Fault,
): Promise<void> {
  const { worker, context, id, state } = run;
  context.log.warn(toLogFields(run, item, fault), 'item put into quarantine');
  const { subscriptionId } = item;
  const failedItem = { subscriptionId, reason: fault.code, sentence: fault.message };
  await inTransaction(context.db, async (tx) => {
    await quarantineSubscriptions(tx, worker.name, [failedItem], await readClock(tx));
    await countBatch(tx, id, { examined: 1, changed: 0, failed: 1 });
  });
  state.failed += 1;
}

function toLogFields<Facts, Outcome>(
  { worker }: WorkerRun<Facts, Outcome>,
  { subscriptionId }: DueItem,
  fault: Fault,
) {
  return { worker: worker.name, item: subscriptionId.toString(), code: fault.code, err: fault };
}

/** The fault of a run that left items unprocessed. */
export function toTooManyFailuresFault(last: Fault): Fault {
  if (isRowLocked(last)) return last;
  const sentence = `more than ${quarantinedMax} items failed by themselves; the last: ${last.message}`;
  return new Fault('bug', 'too_many_failures', sentence, last);
}
