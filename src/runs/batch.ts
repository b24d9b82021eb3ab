import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { readTrustedTime } from '../db/trusted-time.ts';
import { anyOf } from '../db/unnest.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { readPriceList } from '../subscription/store/prices.ts';
import { readSettings } from '../subscription/store/settings.ts';
import { quarantineSubscriptions, releaseQuarantined } from './quarantine.ts';
import type { WorkerRun } from './run-context.ts';
import { countBatch } from './run-record.ts';
import type { BatchContext, BatchResult, DueItem } from './worker.ts';

// One batch in its transaction, by rule 2: lock, read again, decide, write, count.

/** The context of a batch without its prices, which are read after its customers are locked. */
export type BatchSettings = Pick<BatchContext, 'now' | 'settings'>;

/** @throws Fault `clock_suspect`, `commits_lost`: a batch never uses a suspicious time */
export async function readBatchSettings(tx: Tx): Promise<BatchSettings> {
  return { now: await readTrustedTime(tx), settings: await readSettings(tx) };
}

export async function runBatch<Facts, Outcome>(
  { worker, context, id, state }: WorkerRun<Facts, Outcome>,
  tx: Tx,
  items: readonly DueItem[],
  batchSettings: BatchSettings,
  onLocked: () => void = () => undefined,
): Promise<BatchResult> {
  const lockedItems = await lockItems(tx, items);
  onLocked();
  const batch: BatchContext = {
    ...batchSettings,
    prices: await readPriceList(tx, batchSettings.now),
    cachedCounts: state.cachedCounts,
    confirmed: context.confirmed ?? false,
    hasHeldBefore: (state.counts.held ?? 0) > 0,
    isPreview: false,
  };
  const facts = await worker.read(tx, lockedItems, batch);
  const decided = worker.decide(facts, batch, new Map());
  const outcomes = (await worker.guard?.(tx, decided, batch)) ?? decided;
  const result = await worker.write(tx, outcomes, batch, worker.name);
  await quarantineSubscriptions(tx, worker.name, result.quarantined, batch.now);
  await releaseQuarantined(tx, worker.name, listRecovered(lockedItems, result));
  state.isOnlyRun = await countBatch(tx, id, { ...result, failed: result.quarantined.length });
  return result;
}

/**
 * Locks the subscriptions of these items and their customers. Returns the items of each customer
 * that it locked completely. If another session holds a subscription, all items of its customer
 * wait: the subscriptions of a customer are paid in the order of their ends. This statement never
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

/** Retries that were decided. They leave quarantine, also if the decision is to wait. */
function listRecovered(items: readonly DueItem[], { quarantined }: BatchResult): string[] {
  const failed = new Set(quarantined.map(({ subscriptionId }) => subscriptionId));
  return items
    .filter(({ isRetry, subscriptionId }) => isRetry === true && !failed.has(subscriptionId))
    .map(({ subscriptionId }) => subscriptionId.toString());
}
