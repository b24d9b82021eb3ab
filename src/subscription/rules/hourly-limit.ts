import { hourMs, type Instant, later } from '../../kernel/instant.ts';

// The rule of both guards: how much a worker may do within an hour before a person confirms it.
//
// 1. Within an hour at most `floor` items, or a tenth of the active subscriptions, are done. The
//    larger of the two numbers counts. The rest is held.
// 2. Ends: the floor is 5. Every end counts.
// 3. Charges: the floor is 100. An expected charge does not count. A charge is expected if the
//    subscription ends later than an hour ago. So it was due within `renewal.window` at the start
//    of the hour, or it has become due since then.
// 4. A revival is expected, because it follows a payment of the customer.
//
// So a regular run, a run that is an hour late, and a day on which many periods end are not held.
// A clock that jumped ahead, and an outage that skipped the ends of over a tenth, are held in part.

/** Ends that need no confirmation within an hour, however few subscriptions are active. */
export const endsFloor = 5;

/** Late charges that need no confirmation within an hour. */
export const chargesFloor = 100;

/** How many more may be done now. `active` is the number when the hour began. */
export function computeAllowance(floor: number, active: number, doneInTheLastHour: number): number {
  return Math.max(0, Math.max(floor, Math.floor(active / 10)) - doneInTheLastHour);
}

/** The active need no count: the floor alone admits all of these. */
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
