import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import { inTransaction } from '../db/connect.ts';
import { faultOf, isRowLocked } from '../db/faults.ts';
import { Fault } from '../kernel/faults.ts';
import type { RunId } from '../kernel/ids.ts';
import { carryOut } from './batch.ts';
import type { Halving } from './halving.ts';
import { readSetting } from './in-hand.ts';
import { findRetried, isOfTheItem, isolate, isolatedMax } from './quarantine.ts';
import { isOver, type Progress, type RunContext } from './run-context.ts';
import { countBatch } from './run-record.ts';
import type { Found, SubscriptionWorker } from './worker.ts';

// Batches that failed, and the retries of quarantine. How far they are halved: `halving.ts`.

/** One batch of the retries that were due when the run began. The next run takes what is left. */
export async function retryQuarantined<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  context: RunContext,
  id: RunId,
  progress: Progress,
  retries: readonly string[],
): Promise<void> {
  if (isOver(context)) return;
  const { db, batchMax } = context;
  const items = await findRetried(db, worker.name, retries, batchMax);
  if (items.length === 0) return;
  await attempt(worker, items, context, id, progress, progress.retries);
}

/** What becomes of a page whose transaction failed. @throws the fault, if it isn't the items'. */
export async function afterFault<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  page: readonly Found[],
  error: unknown,
  context: RunContext,
  id: RunId,
  progress: Progress,
  halving: Halving,
): Promise<void> {
  const fault = faultOf(error);
  const isLocked = isRowLocked(fault);
  if (page.length === 0 || !(isLocked || isOfTheItem(fault))) throw fault;
  switch (halving.failed(page.length, fault)) {
    case 'leave':
      return;
    case 'skip':
      return logSkipped(worker.name, page[0] as Found, fault, context);
    case 'isolate':
      return quarantineOne(worker, page[0] as Found, fault, context, id, progress);
    case 'halve':
  }
  if (isOver(context)) {
    progress.workLeft = true;
    return;
  }
  const halved = { worker: worker.name, items: page.length, code: fault.code, err: fault };
  context.log.warn(halved, 'batch failed, its halves are tried');
  // By customer, and in order of their end: what one customer has is spent in that order also
  // when the halves part it.
  const middle = Math.ceil(page.length / 2);
  for (const half of [page.slice(0, middle), page.slice(middle)]) {
    await attempt(worker, half, context, id, progress, halving, isLocked);
  }
}

/** A further wait for a row that another session held for the whole lock timeout. */
const halfLockMs = 500;

function logSkipped(worker: string, item: Found, fault: Fault, { log }: RunContext): void {
  const skipped = { worker, item: item.subscriptionId.toString(), code: fault.code, err: fault };
  log.warn(skipped, 'item skipped, another session has locked a row of it');
}

/**
 * A batch outside of the walk: halves, and retries of quarantine.
 * @param isLocked the whole batch waited too long for a lock: its halves wait for less
 */
async function attempt<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  items: readonly Found[],
  context: RunContext,
  id: RunId,
  progress: Progress,
  halving: Halving,
  isLocked = false,
): Promise<void> {
  try {
    const tally = await inTransaction(context.db, async (tx) => {
      if (isLocked) await sql`SET LOCAL lock_timeout = ${sql.lit(halfLockMs)}`.execute(tx);
      return carryOut(worker, tx, items, await readSetting(tx), context, id, progress);
    });
    progress.add(tally);
    halving.succeeded();
  } catch (error) {
    await afterFault(worker, items, error, context, id, progress, halving);
  }
}

/** The fault of a run that left items as they are. */
export function tooManyFailures(last: Fault): Fault {
  if (isRowLocked(last)) return last;
  const sentence = `more than ${isolatedMax} items failed by themselves; the last: ${last.message}`;
  return new Fault('bug', 'too_many_failures', sentence, last);
}

async function quarantineOne<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  item: Found,
  fault: Fault,
  context: RunContext,
  id: RunId,
  progress: Progress,
): Promise<void> {
  context.log.warn(
    { worker: worker.name, item: item.subscriptionId.toString(), code: fault.code, err: fault },
    'item put into quarantine',
  );
  await inTransaction(context.db, async (tx) => {
    const isolated = {
      subscriptionId: item.subscriptionId,
      reason: fault.code,
      sentence: fault.message,
    };
    await isolate(tx, worker.name, [isolated], await readClock(tx));
    await countBatch(tx, id, { examined: 1, changed: 0, failed: 1 });
  });
  progress.failed += 1;
}
