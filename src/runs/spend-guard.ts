import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import type { CustomerId } from '../kernel/ids.ts';
import {
  chargesFloor,
  computeAllowance,
  isLateCharge,
  isWithinFloor,
} from '../subscription/rules/hourly-limit.ts';
import type { SubscriptionRenewalFacts } from '../subscription/store/renewal-facts.ts';
import { readActiveCount, readLastHourTotal } from './hourly-count.ts';
import type { DecidedItem } from './shared-balance.ts';
import type { BatchContext } from './worker.ts';

// The spend guard (`subscription/rules/hourly-limit.ts`, rules 1, 3 and 4). Both workers that renew
// use it, and both count against the same limit.

/** A charge that waits for confirmation. The subscription stays active. */
export interface HeldCharge {
  readonly do: 'hold-charge';
  readonly chargeMinor: bigint;
}

type Charge = { readonly do: 'renew'; readonly chargeMinor: bigint };

/** The count of late charges in the run record. A confirmed run omits it. */
export const lateChargesKey = 'late_charges' as const;

/** The workers that count late charges. */
const chargingWorkers = ['auto-renewal', 'fast-expiry-cleanup'];

/** Keys of `BatchContext.cachedCounts`. */
const previewedKey = 'late charges of this preview';
const activeKey = 'active, for the spend guard';
const isFullKey = 'the spend guard holds';

export const isLateRenewal = <F extends SubscriptionRenewalFacts>(
  { facts, decision }: DecidedItem<F, { readonly do: string }>,
  batch: Pick<BatchContext, 'now'>,
): boolean => decision.do === 'renew' && isLateCharge(facts, batch.now);

/**
 * Replaces the decisions that the guard holds. The earliest ends are charged first. After a held
 * charge no further decision of this customer depends on the balance in this batch.
 */
export async function guardCharges<
  F extends SubscriptionRenewalFacts,
  D extends { readonly do: string },
>(
  tx: Tx,
  outcomes: readonly DecidedItem<F, D>[],
  batch: BatchContext,
  isConfirmed: boolean,
): Promise<DecidedItem<F, D | HeldCharge | { readonly do: 'nothing' }>[]> {
  const lateRenewals = outcomes.filter((one) => isLateRenewal(one, batch));
  if (lateRenewals.length === 0 || isConfirmed) return [...outcomes];
  const admitted = await admitCharges(tx, lateRenewals.length, batch);
  if (admitted >= lateRenewals.length) return [...outcomes];
  const byEnd = lateRenewals.toSorted((one, other) => one.facts.expiresAt - other.facts.expiresAt);
  const held = new Set(byEnd.slice(admitted));
  const customers = new Set<CustomerId>();
  return outcomes.map((one) => {
    const { facts, decision } = one;
    if (held.has(one)) {
      customers.add(facts.customerId);
      const { chargeMinor } = decision as unknown as Charge;
      return { ...one, decision: { do: 'hold-charge', chargeMinor } };
    }
    const waits = facts.autoRenew && customers.has(facts.customerId);
    return waits ? { ...one, decision: { do: 'nothing' } } : one;
  });
}

/**
 * The number of late charges that are permitted now. The lock keeps it valid until this transaction
 * ends.
 */
async function admitCharges(tx: Tx, wanted: number, batch: BatchContext): Promise<number> {
  const { cachedCounts, now, isPreview } = batch;
  if (cachedCounts.has(isFullKey)) return 0;
  if (!isPreview) await lockSpendGuard(tx);
  const before = cachedCounts.get(previewedKey) ?? 0;
  const done = before + (await readLastHourTotal(tx, chargingWorkers, lateChargesKey, now));
  let admitted = wanted;
  if (!isWithinFloor(chargesFloor, wanted, done)) {
    const count = cachedCounts.get(activeKey) ?? (await readActiveCount(tx));
    cachedCounts.set(activeKey, count);
    admitted = Math.min(wanted, computeAllowance(chargesFloor, count, done));
  }
  if (admitted < wanted) cachedCounts.set(isFullKey, 1);
  if (isPreview) cachedCounts.set(previewedKey, before + admitted);
  return admitted;
}

/**
 * Admits one batch with late charges at a time over all replicas. The holder waits only for marks,
 * alarms and its run record. These locks come after this one everywhere, so no cycle can form.
 */
async function lockSpendGuard(tx: Tx): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('perennial.spend_guard'))`.execute(tx);
}
