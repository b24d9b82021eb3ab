import { dayMs, type Instant, later, secondMs } from './instant.ts';

// What the clock on the wall says in an IANA time zone, summer time and all, as ICU knows it.

/** Made once a zone: a formatter takes fifty times as long to make as to use. */
const formatters = new Map<string, Intl.DateTimeFormat | undefined>();

/** Names that ICU knows are some 600; a book full of nonsense must not fill the memory. */
const formattersMax = 2_000;

function formatterOf(timeZone: string): Intl.DateTimeFormat | undefined {
  if (formatters.has(timeZone)) return formatters.get(timeZone);
  if (formatters.size >= formattersMax) formatters.clear();
  const made = makeFormatter(timeZone);
  formatters.set(timeZone, made);
  return made;
}

function makeFormatter(timeZone: string): Intl.DateTimeFormat | undefined {
  const digits = '2-digit';
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'iso8601',
      hourCycle: 'h23',
      year: 'numeric',
      month: digits,
      day: digits,
      hour: digits,
      minute: digits,
      second: digits,
    });
  } catch {
    return undefined;
  }
}

/** Whether the machine knows the IANA zone. */
export function isTimeZone(name: string): boolean {
  return formatterOf(name) !== undefined;
}

/**
 * How far the clocks of a zone are ahead of UTC at a moment, in ms. A zone that the machine doesn't
 * know counts as UTC: it was checked when it came in, and another machine may know fewer.
 */
export function offsetMs(timeZone: string, at: Instant): number {
  const formatter = formatterOf(timeZone);
  if (formatter === undefined) return 0;
  const read: Record<string, number> = {};
  for (const { type, value } of formatter.formatToParts(at)) read[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = read;
  const wall = Date.UTC(year, month - 1, day, hour, minute, second);
  return wall - Math.floor(at / secondMs) * secondMs;
}

/** How long ago the day began by the clocks of a zone, in ms. */
export function sinceMidnightMs(timeZone: string, at: Instant): number {
  const wall = at + offsetMs(timeZone, at);
  return modulo(wall, dayMs);
}

/** The next moment at which the clocks of a zone say that many ms after midnight; `at` may be it. */
export function nextTimeOfDay(timeZone: string, at: Instant, timeMs: number): Instant {
  const guess = later(at, modulo(timeMs - sinceMidnightMs(timeZone, at), dayMs));
  // Clocks that were changed in between are off by that; a day that was skipped doesn't matter.
  const offMs = modulo(timeMs - sinceMidnightMs(timeZone, guess) + dayMs / 2, dayMs) - dayMs / 2;
  return later(guess, offMs);
}

const modulo = (value: number, by: number): number => value - Math.floor(value / by) * by;
