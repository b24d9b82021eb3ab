import { hourMs, type Instant } from '../kernel/instant.ts';
import { nextTimeOfDay, sinceMidnightMs } from '../kernel/time-zone.ts';

// Quiet hours: from 23 to 9 o'clock in the customer's zone nobody is disturbed by what can wait.
// What is about an end doesn't wait past it: where the morning would be too late, it is said in
// the night. Asked when a reminder is planned and again when it is sent.

const quietFromMs = 23 * hourMs;
const quietUntilMs = 9 * hourMs;

/** Whether it is night in the zone. */
export function isQuiet(at: Instant, timeZone: string): boolean {
  const timeMs = sinceMidnightMs(timeZone, at);
  return timeMs >= quietFromMs || timeMs < quietUntilMs;
}

/** The last answer for each zone: a batch asks for all its customers about one moment. */
const mornings = new Map<string, { readonly at: Instant; readonly morning: Instant }>();
/** More names than there are zones. */
const morningsMax = 2_000;

/** `at`, or where that is in the night, 9 in the morning. */
function computeMorning(at: Instant, timeZone: string): Instant {
  const cached = mornings.get(timeZone);
  if (cached?.at === at) return cached.morning;
  const morning = isQuiet(at, timeZone) ? nextTimeOfDay(timeZone, at, quietUntilMs) : at;
  if (mornings.size >= morningsMax) mornings.clear();
  mornings.set(timeZone, { at, morning });
  return morning;
}

/**
 * When somebody may hear at the earliest what is to be said at `at` and is about `end`: then, or
 * the morning after. The morning has to come before the end.
 */
export function earliestSendAt(at: Instant, timeZone: string, end: Instant): Instant {
  const morning = computeMorning(at, timeZone);
  return morning < end ? morning : at;
}
