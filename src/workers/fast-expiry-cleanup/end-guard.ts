import type { Tx } from '../../db/connect.ts';
import { readActiveCount, readLastHourTotal } from '../../runs/hourly-count.ts';
import { restoreConfirmed } from '../../runs/restore-confirmed.ts';
import type { DecidedItem } from '../../runs/shared-balance.ts';
import type { BatchContext } from '../../runs/worker.ts';
import {
  computeAllowance,
  endsFloor,
  isWithinFloor,
} from '../../subscription/rules/hourly-limit.ts';
import type { SubscriptionRenewalFacts } from '../../subscription/store/renewal-facts.ts';
import { lockBlastGuard } from './store.ts';

// The blast guard (`subscription/rules/hourly-limit.ts`, rules 1 and 2; matrix F8).
//
// A wrong clock or a wrong import cuts off few customers before a person checks it.

/**
 * Held by the blast guard. Busy: another replica counts ends now, and the next run decides this
 * one.
 */
export interface HeldEnd {
  readonly do: 'hold-end';
  readonly isBusy: boolean;
}

/**
 * Replaces the ends that the blast guard holds, except those that a person confirmed. The earliest
 * ends are admitted first.
 */
export async function guardEnds<
  F extends SubscriptionRenewalFacts,
  D extends { readonly do: string },
>(
  tx: Tx,
  outcomes: readonly DecidedItem<F, D>[],
  batch: BatchContext,
): Promise<DecidedItem<F, D | HeldEnd>[]> {
  const ends = outcomes.filter(({ decision }) => decision.do === 'end');
  const admitted = batch.confirmed ? ends.length : await admitEnds(tx, ends.length, batch);
  const isBusy = admitted === 'busy';
  const byEnd = ends.toSorted((one, other) => one.facts.expiresAt - other.facts.expiresAt);
  const held = new Set(byEnd.slice(isBusy ? 0 : admitted));
  const guarded = outcomes.map(
    (one): DecidedItem<F, D | HeldEnd> =>
      held.has(one) ? { ...one, decision: { do: 'hold-end', isBusy } } : one,
  );
  if (isBusy) return guarded;
  const isHeld = ({ decision }: DecidedItem<F, D | HeldEnd>) => decision.do === 'hold-end';
  return restoreConfirmed(tx, 'fast-expiry-cleanup', { outcomes, guarded, isHeld }, batch);
}

/** Key of `BatchContext.cachedCounts`. */
const activeKey = 'active, for the blast guard';
const isFullKey = 'the blast guard holds';
const previewedKey = 'ends of this preview';

/**
 * The number of ends that may be made now. The lock keeps the count valid until the transaction
 * ends. `busy`: another replica has the lock. These ends wait for the next run, without an alarm.
 */
async function admitEnds(tx: Tx, wanted: number, batch: BatchContext): Promise<number | 'busy'> {
  const { now, cachedCounts, isPreview } = batch;
  if (wanted === 0 || batch.hasHeldBefore || cachedCounts.has(isFullKey)) return 0;
  if (!isPreview && !(await lockBlastGuard(tx))) return 'busy';
  const before = cachedCounts.get(previewedKey) ?? 0;
  const ended = before + (await readLastHourTotal(tx, ['fast-expiry-cleanup'], 'ended', now));
  let admitted = wanted;
  if (!isWithinFloor(endsFloor, wanted, ended)) {
    // The number of active subscriptions when the hour began.
    const count = cachedCounts.get(activeKey) ?? (await readActiveCount(tx)) + ended;
    cachedCounts.set(activeKey, count);
    admitted = Math.min(wanted, computeAllowance(endsFloor, count, ended));
  }
  if (isPreview && admitted < wanted) cachedCounts.set(isFullKey, 1);
  if (isPreview) cachedCounts.set(previewedKey, before + admitted);
  return admitted;
}
