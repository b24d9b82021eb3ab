import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { faultOf } from '../db/faults.ts';
import type { JsonObject, RunOutcome } from '../db/schema.ts';
import { isClockFault } from '../db/trusted-time.ts';
import { anyOf } from '../db/unnest.ts';
import { Fault } from '../kernel/faults.ts';
import type { CustomerId, RunId } from '../kernel/ids.ts';
import { readPriceList } from '../subscription/price-list.ts';
import { unfitness } from './fitness.ts';
import { type Batch, beginBatch, readSetting, type Setting } from './in-hand.ts';
import { heldItems, isOfTheItem, isolate, isolatedMax } from './quarantine.ts';
import type { Replica } from './replica.ts';
import { countBatch, finishGuardedRun, type RunRow, reserveRunId, startRun } from './run-record.ts';
import type { Cursor, Found, Moment, Pass, SubscriptionWorker, Tally } from './worker.ts';

// One run of a worker: page after page of due rows, each in a transaction of its own, until there
// is nothing left, the budget is spent, or somebody asks to stop. Batches are whole: a run that is
// stopped ends what it has in hand.
//
// That is one batch, or two where the worker lets and no other run of it goes on: while the one is
// written, the next is found, locked and read on another connection. They never share a customer
// (`in-hand.ts`), so money is spent in the order of the walk, as if there were one at a time.
//
// A batch that fails by a permanent fault is halved until the bad item is alone, and that goes to
// quarantine. A transient fault fails the run: the next one starts from what is true then. When
// more items fail by themselves than one can believe, the cause is one of ours, not theirs: no more
// are put aside, a batch that fails is left as it is, and the run has failed at its end. The batches
// behind it are done all the same: nobody waits for somebody else's trouble.

export interface RunContext {
  readonly db: Db;
  readonly replica: Replica;
  readonly batchMax: number;
  readonly budgetMs: number;
  readonly signal: AbortSignal;
  /** Milliseconds since the run began, from a clock that only goes forward. */
  readonly elapsedMs: () => number;
  /** A person said: what a guard would hold is meant. */
  readonly confirmed?: boolean;
  readonly log: RunLog;
}

export interface RunLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What the run has done so far. */
class Progress {
  readonly counts: Record<string, number> = {};
  readonly counted = new Map<string, number>();
  isolatedByFault = 0;
  failed = 0;
  workLeft = false;
  /** No other run of this worker goes on: a server's second processor has nothing else to do. */
  alone: boolean;
  /** Something that was done is due again, further on in the walk. */
  comesAgain = false;
  /** More failed by themselves than are put aside in one run: the last one's fault. */
  tooMany: Fault | undefined;

  constructor(alone: boolean) {
    this.alone = alone;
  }

  add(tally: Tally): void {
    this.failed += tally.isolated.length;
    this.comesAgain ||= tally.comesAgain ?? false;
    for (const [name, count] of Object.entries(tally.counts)) {
      this.counts[name] = (this.counts[name] ?? 0) + count;
    }
  }
}

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
    await worker.prepare?.(db);
    for (const pass of worker.passes) await walk(worker, pass, context, id, progress);
    if (progress.tooMany !== undefined) throw progress.tooMany;
  } catch (error) {
    const fault = faultOf(error);
    if (isClockFault(fault))
      return await finish('skipped', { reason: fault.message, code: fault.code });
    context.log.error({ worker: worker.name, code: fault.code, err: fault }, 'run failed');
    return await finish('failed', { kind: fault.kind, code: fault.code, error: fault.message });
  }
  const left = progress.workLeft ? { work_left: true } : {};
  if (progress.failed > 0) return finish('degraded', { quarantined: progress.failed, ...left });
  if ((progress.counts.held ?? 0) > 0) return finish('degraded', left);
  return finish(progress.workLeft ? 'partial' : 'success');
}

/** One walk over the due rows of a pass. */
async function walk<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  pass: Pass,
  context: RunContext,
  id: RunId,
  progress: Progress,
): Promise<void> {
  const skip = await heldItems(context.db, worker.name, await readClock(context.db));
  let after: Cursor | undefined;
  let carried: readonly Found[] = [];
  let inHand: Batch | undefined;
  const settle = async (batch: Batch) => {
    const end = await batch.ended;
    if (end.status === 'rejected') {
      await afterFault(worker, batch.items, end.reason, context, id, progress);
    } else if (end.value !== undefined) progress.add(end.value);
  };
  try {
    for (;;) {
      if (context.signal.aborted || context.elapsedMs() >= context.budgetMs) {
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

/** Lock, read again, decide, write. The whole of DESIGN.md 3.2, in an open transaction. */
async function carryOut<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  tx: Tx,
  items: readonly Found[],
  setting: Setting,
  context: RunContext,
  id: RunId,
  progress: Progress,
  locked: () => void = () => undefined,
): Promise<Tally> {
  const mine = await lockCustomers(tx, items);
  locked();
  const moment: Moment = {
    ...setting,
    prices: await readPriceList(tx, setting.now),
    counted: progress.counted,
    confirmed: context.confirmed ?? false,
    heldBefore: (progress.counts.held ?? 0) > 0,
  };
  const facts = await worker.read(tx, mine, moment);
  const outcomes = worker.decide(facts, moment, new Map());
  const tally = await worker.write(tx, outcomes, moment, worker.name);
  await isolate(tx, worker.name, tally.isolated, moment.now);
  progress.alone = await countBatch(tx, id, { ...tally, failed: tally.isolated.length });
  return tally;
}

/**
 * Locks the customers of these items and gives the items of those that it got. A customer whom
 * another run, a purchase or a top-up holds is left out: that one, or the next run, sees to it.
 * Nobody waits while holding, so runs can't deadlock.
 */
async function lockCustomers(tx: Tx, items: readonly Found[]): Promise<Found[]> {
  const customers = [...new Set(items.map((item) => item.customerId))];
  const { rows } = await sql<{ id: CustomerId }>`
    SELECT id FROM perennial.customer WHERE id = ${anyOf('bigint', customers)}
    FOR NO KEY UPDATE SKIP LOCKED`.execute(tx);
  const locked = new Set(rows.map((row) => row.id));
  return items.filter((item) => locked.has(item.customerId));
}

/** What becomes of a page whose transaction failed. @throws the fault, if it isn't the items'. */
async function afterFault<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  page: readonly Found[],
  error: unknown,
  context: RunContext,
  id: RunId,
  progress: Progress,
): Promise<void> {
  const fault = faultOf(error);
  if (page.length === 0 || !isOfTheItem(fault)) throw fault;
  if (progress.isolatedByFault >= isolatedMax) {
    progress.tooMany = tooManyFailures(fault);
    return;
  }
  if (page.length === 1) {
    await quarantineOne(worker, page[0] as Found, fault, context, id, progress);
    return;
  }
  const halved = { worker: worker.name, items: page.length, code: fault.code, err: fault };
  context.log.warn(halved, 'batch failed, its halves are tried');
  // By customer, and in order of their end: what one customer has is spent in that order also
  // when the halves part it.
  const middle = Math.ceil(page.length / 2);
  for (const half of [page.slice(0, middle), page.slice(middle)]) {
    try {
      const tally = await inTransaction(context.db, async (tx) =>
        carryOut(worker, tx, half, await readSetting(tx), context, id, progress),
      );
      progress.add(tally);
    } catch (halfError) {
      await afterFault(worker, half, halfError, context, id, progress);
    }
  }
}

function tooManyFailures(last: Fault): Fault {
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
  progress.isolatedByFault += 1;
  progress.failed += 1;
}
