import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import { inTransaction } from '../db/connect.ts';
import { isRowLocked, toFault } from '../db/faults.ts';
import { Fault } from '../kernel/faults.ts';
import type { RunId } from '../kernel/ids.ts';
import { readBatchSettings } from './batches.ts';
import type { Halving } from './bisection.ts';
import { runBatch } from './page.ts';
import {
  findQuarantinedItems,
  isItemFault,
  quarantinedMax,
  quarantineSubscriptions,
} from './quarantine.ts';
import { mustStop, type RunContext, type RunState } from './run-context.ts';
import { countBatch } from './run-record.ts';
import type { DueItem, SubscriptionWorker } from './worker.ts';

// Batches that failed, and the retries of quarantine. How far they are halved: `bisection.ts`.

/** One batch of the retries that were due when the run began. The next run takes what is left. */
export async function retryQuarantined<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  context: RunContext,
  id: RunId,
  runState: RunState,
  retries: readonly string[],
): Promise<void> {
  if (mustStop(context)) return;
  const { db, batchMax } = context;
  const items = await findQuarantinedItems(db, worker.name, retries, batchMax);
  if (items.length === 0) return;
  await attemptBatch(worker, items, context, id, runState, runState.retryHalving);
}

/** What becomes of a page whose transaction failed. @throws the fault, if it isn't the items'. */
export async function handleBatchFault<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  page: readonly DueItem[],
  error: unknown,
  context: RunContext,
  id: RunId,
  runState: RunState,
  halving: Halving,
): Promise<void> {
  const fault = toFault(error);
  const isLocked = isRowLocked(fault);
  if (page.length === 0 || !(isLocked || isItemFault(fault))) throw fault;
  switch (halving.recordFailure(page.length, fault)) {
    case 'leave':
      return;
    case 'skip':
      return logSkipped(worker.name, page[0] as DueItem, fault, context);
    case 'isolate':
      return quarantineOne(worker, page[0] as DueItem, fault, context, id, runState);
    case 'halve':
  }
  if (mustStop(context)) {
    runState.hasWorkLeft = true;
    return;
  }
  const logFields = { worker: worker.name, items: page.length, code: fault.code, err: fault };
  context.log.warn(logFields, 'batch failed, its halves are tried');
  // By customer, and in order of their end: what one customer has is spent in that order also
  // when the halves part it.
  const middle = Math.ceil(page.length / 2);
  for (const half of [page.slice(0, middle), page.slice(middle)]) {
    await attemptBatch(worker, half, context, id, runState, halving, isLocked);
  }
}

/** A further wait for a row that another session held for the whole lock timeout. */
const halfLockTimeoutMs = 500;

function logSkipped(worker: string, item: DueItem, fault: Fault, { log }: RunContext): void {
  const logFields = { worker, item: item.subscriptionId.toString(), code: fault.code, err: fault };
  log.warn(logFields, 'item skipped, another session has locked a row of it');
}

/**
 * A batch outside of the walk: halves, and retries of quarantine.
 * @param isLocked the whole batch waited too long for a lock: its halves wait for less
 */
async function attemptBatch<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  items: readonly DueItem[],
  context: RunContext,
  id: RunId,
  runState: RunState,
  halving: Halving,
  isLocked = false,
): Promise<void> {
  try {
    const result = await inTransaction(context.db, async (tx) => {
      if (isLocked) await sql`SET LOCAL lock_timeout = ${sql.lit(halfLockTimeoutMs)}`.execute(tx);
      return runBatch(worker, tx, items, await readBatchSettings(tx), context, id, runState);
    });
    runState.add(result);
    halving.recordSuccess();
  } catch (error) {
    await handleBatchFault(worker, items, error, context, id, runState, halving);
  }
}

/** The fault of a run that left items as they are. */
export function toTooManyFailuresFault(last: Fault): Fault {
  if (isRowLocked(last)) return last;
  const sentence = `more than ${quarantinedMax} items failed by themselves; the last: ${last.message}`;
  return new Fault('bug', 'too_many_failures', sentence, last);
}

async function quarantineOne<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  item: DueItem,
  fault: Fault,
  context: RunContext,
  id: RunId,
  runState: RunState,
): Promise<void> {
  context.log.warn(
    { worker: worker.name, item: item.subscriptionId.toString(), code: fault.code, err: fault },
    'item put into quarantine',
  );
  await inTransaction(context.db, async (tx) => {
    const failedItem = {
      subscriptionId: item.subscriptionId,
      reason: fault.code,
      sentence: fault.message,
    };
    await quarantineSubscriptions(tx, worker.name, [failedItem], await readClock(tx));
    await countBatch(tx, id, { examined: 1, changed: 0, failed: 1 });
  });
  runState.failed += 1;
}
