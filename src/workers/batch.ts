import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { anyOf } from '../db/unnest.ts';
import type { RunId, SubscriptionId } from '../kernel/ids.ts';
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
  const mine = await lockItems(tx, items);
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
 * Locks the subscriptions of these items and their customers, and returns the items of the customers
 * whose rows it got. If another session holds a subscription, all items of its customer wait,
 * because the subscriptions of a customer are paid in the order of their ends. This statement never
 * waits for a row, so runs cannot deadlock.
 */
async function lockItems(tx: Tx, items: readonly Found[]): Promise<Found[]> {
  const ids = items.map((item) => item.subscriptionId);
  const { rows } = await sql<{ id: SubscriptionId }>`
    SELECT s.id FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.id = ${anyOf('bigint', ids)}
    FOR NO KEY UPDATE SKIP LOCKED`.execute(tx);
  const locked = new Set(rows.map((row) => row.id));
  if (locked.size === items.length) return [...items];
  const waiting = new Set(
    items.filter((item) => !locked.has(item.subscriptionId)).map((item) => item.customerId),
  );
  return items.filter((item) => !waiting.has(item.customerId));
}

/** Retries that were decided: they are in no quarantine any more, whatever was decided. */
function healed(items: readonly Found[], { isolated }: Tally): string[] {
  const failed = new Set(isolated.map(({ subscriptionId }) => subscriptionId));
  return items
    .filter(({ isRetry, subscriptionId }) => isRetry === true && !failed.has(subscriptionId))
    .map(({ subscriptionId }) => subscriptionId.toString());
}
