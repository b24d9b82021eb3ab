import { type Instant, secondMs } from '../kernel/instant.ts';

// A schedule without state: time is cut into slots as long as the interval, counted from 1970, and
// each has one run. Whoever knows the time and the interval knows the slot, so no replica has to
// tell another, and one that was away knows which slot is now.

export interface Slots {
  readonly seconds: number;
  /** The number of the slot in which a moment lies. */
  at(now: Instant): number;
  /** How long until the next one begins: above 0, at most the whole length. */
  leftMs(now: Instant): number;
}

/** @param seconds whole, since pg-boss counts slots the same way, in SQL */
export function createSlots(seconds: number): Slots {
  const lengthMs = seconds * secondMs;
  const at = (now: Instant): number => Math.floor(now / lengthMs);
  return { seconds, at, leftMs: (now) => (at(now) + 1) * lengthMs - now };
}
