import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { anyOf } from '../db/unnest.ts';
import type { RunId, SubscriptionId } from '../kernel/ids.ts';
import { readPriceList } from '../subscription/store/prices.ts';
import type { BatchSettings } from './batches.ts';
import { quarantineSubscriptions, releaseQuarantined } from './quarantine.ts';
import type { RunContext, RunState } from './run-context.ts';
import { countBatch } from './run-record.ts';
import type { BatchContext, BatchResult, DueItem, SubscriptionWorker } from './worker.ts';

/** Lock, read again, decide, write. The whole of rule 2, in an open transaction. */
export async function runBatch<Facts, Outcome>(
  worker: SubscriptionWorker<Facts, Outcome>,
  tx: Tx,
  items: readonly DueItem[],
  batchSettings: BatchSettings,
  context: RunContext,
  id: RunId,
  runState: RunState,
  onLocked: () => void = () => undefined,
): Promise<BatchResult> {
  const lockedItems = await lockItems(tx, items);
  onLocked();
  const batch: BatchContext = {
    ...batchSettings,
    prices: await readPriceList(tx, batchSettings.now),
    cachedCounts: runState.cachedCounts,
    confirmed: context.confirmed ?? false,
    hasHeldBefore: (runState.counts.held ?? 0) > 0,
    isPreview: false,
  };
  const facts = await worker.read(tx, lockedItems, batch);
  const decided = worker.decide(facts, batch, new Map());
  const outcomes = (await worker.guard?.(tx, decided, batch)) ?? decided;
  const result = await worker.write(tx, outcomes, batch, worker.name);
  await quarantineSubscriptions(tx, worker.name, result.quarantined, batch.now);
  await releaseQuarantined(tx, worker.name, listRecovered(lockedItems, result));
  runState.isOnlyRun = await countBatch(tx, id, { ...result, failed: result.quarantined.length });
  return result;
}

/**
 * Locks the subscriptions of these items and their customers, and returns the items of the customers
 * whose rows it got. If another session holds a subscription, all items of its customer wait,
 * because the subscriptions of a customer are paid in the order of their ends. This statement never
 * waits for a row, so runs cannot deadlock.
 */
async function lockItems(tx: Tx, items: readonly DueItem[]): Promise<DueItem[]> {
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
function listRecovered(items: readonly DueItem[], { quarantined }: BatchResult): string[] {
  const failed = new Set(quarantined.map(({ subscriptionId }) => subscriptionId));
  return items
    .filter(({ isRetry, subscriptionId }) => isRetry === true && !failed.has(subscriptionId))
    .map(({ subscriptionId }) => subscriptionId.toString());
}
