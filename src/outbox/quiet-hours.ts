import { hourMs, type Instant } from '../kernel/instant.ts';
import { nextTimeOfDay, sinceMidnightMs } from '../kernel/time-zone.ts';

// Quiet hours: from 23 to 9 in the customer's time zone.
//
// 1. A reminder that is due in quiet hours waits until 9.
// 2. If 9 is not before the end of the subscription, the reminder does not wait.
// 3. The rule applies when a reminder is planned, and again when it is sent.

const quietFromMs = 23 * hourMs;
const quietUntilMs = 9 * hourMs;

/** Whether the quiet hours apply in this zone. */
export function isQuiet(at: Instant, timeZone: string): boolean {
  const timeMs = sinceMidnightMs(timeZone, at);
  return timeMs >= quietFromMs || timeMs < quietUntilMs;
}

/** The last answer for each zone. A batch asks for all its customers with the same time. */
const mornings = new Map<string, { readonly at: Instant; readonly morning: Instant }>();
/** More than there are time zones. */
const morningsMax = 2_000;

/** `at`, or in quiet hours the following 9 o'clock. */
function computeMorning(at: Instant, timeZone: string): Instant {
  const cached = mornings.get(timeZone);
  if (cached?.at === at) return cached.morning;
  const morning = isQuiet(at, timeZone) ? nextTimeOfDay(timeZone, at, quietUntilMs) : at;
  if (mornings.size >= morningsMax) mornings.clear();
  mornings.set(timeZone, { at, morning });
  return morning;
}

/** The earliest send time of a reminder about `end` that is due at `at`. */
export function earliestSendAt(at: Instant, timeZone: string, end: Instant): Instant {
  const morning = computeMorning(at, timeZone);
  return morning < end ? morning : at;
}
