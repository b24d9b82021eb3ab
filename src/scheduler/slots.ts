import { type Instant, secondMs } from '../kernel/instant.ts';

// A schedule without state: time is divided into slots of the interval's length, counted from 1970.
//
// Each slot has one run. Time and interval determine the slot. So replicas need no communication,
// and a replica that was away finds the current slot.

export interface Slots {
  readonly seconds: number;
  /** The number of the slot that contains this time. */
  at(now: Instant): number;
  /** Milliseconds until the next slot begins: above 0, at most the whole length. */
  leftMs(now: Instant): number;
}

/** @param seconds whole, because pg-boss counts slots the same way in SQL */
export function createSlots(seconds: number): Slots {
  const lengthMs = seconds * secondMs;
  const at = (now: Instant): number => Math.floor(now / lengthMs);
  return { seconds, at, leftMs: (now) => (at(now) + 1) * lengthMs - now };
}
