import { hourMs, type Instant, later } from '../../kernel/instant.ts';

// The rule of both guards: how much a worker may do within an hour without a confirmation.
//
// 1. Within an hour at most `floor` items, or a tenth of the active subscriptions, are done. The
//    larger of the two numbers counts. The rest is held.
// 2. Ends: the floor is 5. Every end counts.
// 3. Charges: the floor is 100. An expected charge does not count. A charge is expected if the
//    subscription ends later than an hour ago. So it was due within `renewal.window` at the start
//    of the hour, or it has become due in that hour.
// 4. A revival is expected, because it follows a payment of the customer.
//
// So a regular run, a run that is an hour late, and a day with many ends are not held. After a
// clock jump or an outage that skipped the ends of over a tenth, a part is held.

/** Ends per hour that need no confirmation, also with few active subscriptions. */
export const endsFloor = 5;

/** Late charges per hour that need no confirmation. */
export const chargesFloor = 100;

/** The number that may still be done now. `active` is the number at the start of the hour. */
export function computeAllowance(floor: number, active: number, doneInTheLastHour: number): number {
  return Math.max(0, Math.max(floor, Math.floor(active / 10)) - doneInTheLastHour);
}

/** True if the floor alone admits all. Then the active subscriptions need no count. */
export function isWithinFloor(floor: number, wanted: number, doneInTheLastHour: number): boolean {
  return wanted + doneInTheLastHour <= floor;
}

/** Rules 3 and 4. */
export function isLateCharge(
  { state, expiresAt }: { readonly state: string; readonly expiresAt: Instant },
  now: Instant,
): boolean {
  return state === 'active' && expiresAt <= later(now, -hourMs);
}
