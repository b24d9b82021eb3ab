import type { Tx } from '../db/connect.ts';
import type { SubscriptionRenewalFacts } from '../subscription/store/renewal-facts.ts';
import { takeConfirmed } from './confirmation.ts';
import type { DecidedItem } from './shared-balance.ts';
import type { BatchContext } from './worker.ts';

interface GuardedBatch<Item> {
  /** The decisions before the guard. */
  readonly outcomes: readonly Item[];
  /** The same items, with those that the guard holds. */
  readonly guarded: readonly Item[];
  isHeld(item: Item): boolean;
}

/**
 * Restores the held decisions that a person confirmed, the first ones of the batch. If all are
 * confirmed, the guard changes nothing in this batch. The caller has all other locks of its guards.
 */
export async function restoreConfirmed<F extends SubscriptionRenewalFacts, D>(
  tx: Tx,
  worker: string,
  { outcomes, guarded, isHeld }: GuardedBatch<DecidedItem<F, D>>,
  { now, isPreview }: BatchContext,
): Promise<DecidedItem<F, D>[]> {
  const wanted = guarded.filter(isHeld).length;
  if (wanted === 0 || isPreview) return [...guarded];
  let left = await takeConfirmed(tx, { worker, subject: worker, wanted, now });
  if (left === 0) return [...guarded];
  const isComplete = left === wanted;
  return guarded.map((item, at) => {
    const original = outcomes[at] ?? item;
    if (!isHeld(item)) return isComplete ? original : item;
    if (left === 0) return item;
    left -= 1;
    return { ...original, isConfirmed: true };
  });
}
