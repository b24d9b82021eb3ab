import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { anyOf } from '../db/unnest.ts';
import type { CustomerId, RunId } from '../kernel/ids.ts';
import { readPriceList } from '../subscription/price-list.ts';
import type { Setting } from './in-hand.ts';
import { isolate, release } from './quarantine.ts';
import type { Progress, RunContext } from './run-context.ts';
import { countBatch } from './run-record.ts';
import type { Found, Moment, SubscriptionWorker, Tally } from './worker.ts';

/** Lock, read again, decide, write. The whole of rule 2, in an open transaction. */
export async function carryOut<Facts, Outcome>(
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
    isPreview: false,
  };
  const facts = await worker.read(tx, mine, moment);
  const decided = worker.decide(facts, moment, new Map());
  const outcomes = (await worker.guard?.(tx, decided, moment)) ?? decided;
  const tally = await worker.write(tx, outcomes, moment, worker.name);
  await isolate(tx, worker.name, tally.isolated, moment.now);
  await release(tx, worker.name, healed(mine, tally));
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

/** Retries that were decided: they are in no quarantine any more, whatever was decided. */
function healed(items: readonly Found[], { isolated }: Tally): string[] {
  const failed = new Set(isolated.map(({ subscriptionId }) => subscriptionId));
  return items
    .filter(({ isRetry, subscriptionId }) => isRetry === true && !failed.has(subscriptionId))
    .map(({ subscriptionId }) => subscriptionId.toString());
}
