import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import type { CustomerId } from '../kernel/ids.ts';
import {
  chargesFloor,
  computeAllowance,
  isLateCharge,
  isWithinFloor,
} from '../subscription/rules/hourly-limit.ts';
import {
  computeComparedFrom,
  type HoldReason,
  isChargeAboveLimit,
  isRunAboveLimit,
  toHeldKey,
} from '../subscription/rules/spend-limit.ts';
import type { SubscriptionRenewalFacts } from '../subscription/store/renewal-facts.ts';
import {
  chargingWorkers,
  readChargeForecast,
  readDueCharges,
  readSpendFacts,
} from './charge-forecast.ts';
import { readActiveCount, readLastHourTotal } from './hourly-count.ts';
import { restoreConfirmed } from './restore-confirmed.ts';
import type { DecidedItem } from './shared-balance.ts';
import type { BatchContext } from './worker.ts';

// The spend guard: `subscription/rules/spend-limit.ts`, and the limit of late charges
// (`subscription/rules/hourly-limit.ts`, rules 1, 3 and 4). Both workers that renew use it, and
// both count against the same limits.

/** A charge that waits for confirmation. The subscription stays active. */
export interface HeldCharge {
  readonly do: 'hold-charge';
  readonly chargeMinor: bigint;
  readonly reason: HoldReason;
}

type Charge = { readonly do: 'renew'; readonly chargeMinor: bigint };
type Guarded<F extends SubscriptionRenewalFacts, D> = DecidedItem<
  F,
  D | HeldCharge | { readonly do: 'nothing' }
>;

/** The count of late charges in the run record. A confirmed run omits it. */
const lateChargesKey = 'late_charges' as const;

/** Keys of `BatchContext.cachedCounts`. */
const previewedKey = 'late charges of this preview';
const activeKey = 'active, for the spend guard';
const isFullKey = 'the spend guard holds';
const isRunHeldKey = 'the spend guard holds the run';

/** The counts of late charges. Confirmed ones do not count against the limit. */
export function countLateCharges<F extends SubscriptionRenewalFacts>(
  outcomes: readonly DecidedItem<F, { readonly do: string }>[],
  batch: Pick<BatchContext, 'now'>,
  isConfirmed: boolean,
): Record<string, number> {
  const late = outcomes.filter((one) => isLateRenewal(one, batch));
  const confirmed = late.filter((one) => isConfirmed || one.isConfirmed).length;
  const others = late.length - confirmed;
  return {
    ...(others > 0 ? { [lateChargesKey]: others } : {}),
    ...(confirmed > 0 ? { confirmed } : {}),
  };
}

const isLateRenewal = <F extends SubscriptionRenewalFacts>(
  { facts, decision }: DecidedItem<F, { readonly do: string }>,
  batch: Pick<BatchContext, 'now'>,
): boolean => decision.do === 'renew' && isLateCharge(facts, batch.now);

/**
 * Replaces the decisions that the guard holds, except those that a person confirmed. Charges are
 * confirmed with auto-renewal. After a held charge no further decision of this customer depends on
 * the balance in this batch.
 */
export async function guardCharges<
  F extends SubscriptionRenewalFacts,
  D extends { readonly do: string },
>(
  tx: Tx,
  outcomes: readonly DecidedItem<F, D>[],
  batch: BatchContext,
  worker: (typeof chargingWorkers)[number],
): Promise<Guarded<F, D>[]> {
  const isOwnGuard = worker === chargingWorkers[0];
  if (isOwnGuard && batch.confirmed) return [...outcomes];
  const guarded = await holdUnexpected(tx, outcomes, batch);
  const isHeld = ({ decision }: Guarded<F, D>) => decision.do === 'hold-charge';
  return isOwnGuard ? restoreConfirmed(tx, worker, { outcomes, guarded, isHeld }, batch) : guarded;
}

async function holdUnexpected<
  F extends SubscriptionRenewalFacts,
  D extends { readonly do: string },
>(tx: Tx, outcomes: readonly DecidedItem<F, D>[], batch: BatchContext): Promise<Guarded<F, D>[]> {
  const renewals = outcomes.filter(({ decision }) => decision.do === 'renew');
  if (renewals.length === 0) return [...outcomes];
  if (await isRunHeld(tx, batch)) return holdRun(outcomes);
  const expensive = renewals.filter((one) => isExpensive(one, batch));
  const priced = holdCharges(outcomes, new Set(expensive), 'price');
  const late = priced.filter((one) => isLateRenewal(one, batch));
  if (late.length === 0) return priced;
  const admitted = await admitCharges(tx, late.length, batch);
  if (admitted >= late.length) return priced;
  // The earliest ends are charged first.
  const byEnd = late.toSorted((one, other) => one.facts.expiresAt - other.facts.expiresAt);
  return holdCharges(priced, new Set(byEnd.slice(admitted)), 'late');
}

function holdCharges<F extends SubscriptionRenewalFacts, D extends { readonly do: string }>(
  outcomes: readonly DecidedItem<F, D>[],
  held: ReadonlySet<DecidedItem<F, { readonly do: string }>>,
  reason: HoldReason,
): Guarded<F, D>[] {
  if (held.size === 0) return [...outcomes];
  const customers = new Set<CustomerId>();
  return outcomes.map((one) => {
    const { facts, decision } = one;
    if (held.has(one)) {
      customers.add(facts.customerId);
      return { ...one, decision: toHeldCharge(decision, reason) };
    }
    const waits = facts.autoRenew && customers.has(facts.customerId);
    return waits ? { ...one, decision: { do: 'nothing' } } : one;
  });
}

/** The held charges of a batch by reason, for its run record. */
export function countHeldCharges(
  outcomes: readonly { readonly decision: { readonly do: string } }[],
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { decision } of outcomes) {
    if (decision.do !== 'hold-charge') continue;
    const key = toHeldKey((decision as HeldCharge).reason);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

const toHeldCharge = (decision: { readonly do: string }, reason: HoldReason): HeldCharge => ({
  do: 'hold-charge',
  chargeMinor: (decision as Charge).chargeMinor,
  reason,
});

/** Also a low balance waits, because the time may be wrong: nothing is written about a charge. */
function holdRun<F extends SubscriptionRenewalFacts, D extends { readonly do: string }>(
  outcomes: readonly DecidedItem<F, D>[],
): Guarded<F, D>[] {
  const charged = new Set(
    outcomes.filter(({ decision }) => decision.do === 'renew').map(({ facts }) => facts.customerId),
  );
  return outcomes.map((one) => {
    const { facts, decision } = one;
    if (decision.do === 'renew') return { ...one, decision: toHeldCharge(decision, 'run') };
    const waits =
      decision.do === 'wait-for-money' || (facts.autoRenew && charged.has(facts.customerId));
    return waits ? { ...one, decision: { do: 'nothing' } } : one;
  });
}

function isExpensive<F extends SubscriptionRenewalFacts>(
  { facts, decision }: DecidedItem<F, { readonly do: string }>,
  { prices, settings }: BatchContext,
): boolean {
  const { plan, periodDays, currency } = facts;
  const earlierMinor = prices.getEarlierMinor(plan, periodDays, currency);
  const { chargeMinor } = decision as Charge;
  return isChargeAboveLimit(chargeMinor, earlierMinor, settings.money.spend);
}

/** Decides once per run, before its first charge. A run with few charges reads a few rows. */
async function isRunHeld(tx: Tx, batch: BatchContext): Promise<boolean> {
  const cached = batch.cachedCounts.get(isRunHeldKey);
  if (cached !== undefined) return cached === 1;
  const isHeld = await isAboveForecast(tx, batch);
  batch.cachedCounts.set(isRunHeldKey, isHeld ? 1 : 0);
  return isHeld;
}

async function isAboveForecast(tx: Tx, batch: BatchContext): Promise<boolean> {
  const { spend } = batch.settings.money;
  const facts = await readSpendFacts(tx, batch, spend.floor + 1);
  const { hasForecast, dueCount, doneCount } = facts;
  if (!hasForecast || dueCount === 0 || dueCount + doneCount <= spend.floor) return false;
  const from = computeComparedFrom(facts.lastPassAt, batch.now);
  const forecast = await readChargeForecast(tx, from, batch.now);
  const due = await readDueCharges(tx, batch, 'first');
  return isRunAboveLimit(due, doneCount, forecast, spend);
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
