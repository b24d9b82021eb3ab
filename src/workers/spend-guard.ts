import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import type { CustomerId } from '../kernel/ids.ts';
import { allowance, cannotHold, chargesFloor, isLateCharge } from '../subscription/hourly-limit.ts';
import type { Facts } from '../subscription/renewal-facts.ts';
import { countActive, doneInTheLastHour } from './hourly-count.ts';
import type { Decided } from './spending.ts';
import type { Moment } from './worker.ts';

// The spend guard (`subscription/hourly-limit.ts`, rules 1, 3 and 4). Both workers that renew ask
// it, and both count against the same limit.

/** A charge that waits for a person: the subscription stays active. */
export interface HeldCharge {
  readonly do: 'hold-charge';
  readonly chargeMinor: bigint;
}

type Charge = { readonly do: 'renew'; readonly chargeMinor: bigint };

/** The count of late charges in the record of a run. A confirmed run leaves it out. */
export const lateCharges = 'late_charges' as const;

/** Who counts late charges. */
const renewers = ['auto-renewal', 'fast-expiry-cleanup'];

/** In `Moment.counted`. */
const previewed = 'late charges of this preview';
const active = 'active, for the spend guard';
const isFull = 'the spend guard holds';

export const isLate = <F extends Facts>(
  { facts, decision }: Decided<F, { readonly do: string }>,
  moment: Pick<Moment, 'now'>,
): boolean => decision.do === 'renew' && isLateCharge(facts, moment.now);

/**
 * Replaces the decisions that the guard holds. The earliest ends are charged first. After a held
 * charge nothing else that depends on the balance of the customer is decided in this batch.
 */
export async function guardCharges<F extends Facts, D extends { readonly do: string }>(
  tx: Tx,
  outcomes: readonly Decided<F, D>[],
  moment: Moment,
  isConfirmed: boolean,
): Promise<Decided<F, D | HeldCharge | { readonly do: 'nothing' }>[]> {
  const late = outcomes.filter((one) => isLate(one, moment));
  if (late.length === 0 || isConfirmed) return [...outcomes];
  const room = await roomFor(tx, late.length, moment);
  if (room >= late.length) return [...outcomes];
  const byEnd = late.toSorted((one, other) => one.facts.expiresAt - other.facts.expiresAt);
  const held = new Set(byEnd.slice(room));
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

/** How many late charges may be made now. The count belongs to this transaction until it ends. */
async function roomFor(tx: Tx, wanted: number, moment: Moment): Promise<number> {
  const { counted, now, isPreview } = moment;
  if (counted.has(isFull)) return 0;
  if (!isPreview) await lockSpendGuard(tx);
  const before = counted.get(previewed) ?? 0;
  const done = before + (await doneInTheLastHour(tx, renewers, lateCharges, now));
  let room = wanted;
  if (!cannotHold(chargesFloor, wanted, done)) {
    const count = counted.get(active) ?? (await countActive(tx));
    counted.set(active, count);
    room = Math.min(wanted, allowance(chargesFloor, count, done));
  }
  if (room < wanted) counted.set(isFull, 1);
  if (isPreview) counted.set(previewed, before + room);
  return room;
}

/**
 * One batch with late charges at a time over all replicas. The holder waits only for marks, alarms
 * and its run record, which come after this lock everywhere, so nothing waits in a circle.
 */
async function lockSpendGuard(tx: Tx): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtext('perennial.spend_guard'))`.execute(tx);
}
