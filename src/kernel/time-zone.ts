import { dayMs, type Instant, later, secondMs } from './instant.ts';

// Local times in an IANA time zone, with summer time, by the data of ICU.

/** One formatter for each zone: creating one takes fifty times as long as using it. */
const formatters = new Map<string, Intl.DateTimeFormat | undefined>();

/** ICU has about 600 names. Wrong names in the database must not fill the memory. */
const formattersMax = 2_000;

function getFormatter(timeZone: string): Intl.DateTimeFormat | undefined {
  if (formatters.has(timeZone)) return formatters.get(timeZone);
  if (formatters.size >= formattersMax) formatters.clear();
  const formatter = createFormatter(timeZone);
  formatters.set(timeZone, formatter);
  return formatter;
}

function createFormatter(timeZone: string): Intl.DateTimeFormat | undefined {
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

/** True if this machine has the IANA zone. */
export function isTimeZone(name: string): boolean {
  return getFormatter(name) !== undefined;
}

/**
 * The offset of a zone from UTC at a time, in ms. A zone that this machine lacks counts as UTC: it
 * was checked on input, and another machine may have fewer zones.
 */
export function offsetMs(timeZone: string, at: Instant): number {
  const formatter = getFormatter(timeZone);
  if (formatter === undefined) return 0;
  const parts: Record<string, number> = {};
  for (const { type, value } of formatter.formatToParts(at)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  const localMs = Date.UTC(year, month - 1, day, hour, minute, second);
  return localMs - Math.floor(at / secondMs) * secondMs;
}

/** The time since local midnight in a zone, in ms. */
export function sinceMidnightMs(timeZone: string, at: Instant): number {
  const localMs = at + offsetMs(timeZone, at);
  return modulo(localMs, dayMs);
}

/** The next time, from `at` on, that is this many ms after local midnight in a zone. */
export function nextTimeOfDay(timeZone: string, at: Instant, timeMs: number): Instant {
  const guess = later(at, modulo(timeMs - sinceMidnightMs(timeZone, at), dayMs));
  // A change of summer time in between shifts the result. A skipped day has no effect.
  const offMs = modulo(timeMs - sinceMidnightMs(timeZone, guess) + dayMs / 2, dayMs) - dayMs / 2;
  return later(guess, offMs);
}

const modulo = (value: number, by: number): number => value - Math.floor(value / by) * by;
