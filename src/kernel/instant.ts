import { UsageFault } from './faults.ts';

declare const instantBrand: unique symbol;

/** A point in time: milliseconds since 1970-01-01T00:00Z. */
export type Instant = number & { readonly [instantBrand]: true };

/** PostgreSQL's `infinity`: later than every other time. */
export const never = Number.POSITIVE_INFINITY as Instant;

/** The range of times that ISO 8601 with four digits of the year and PostgreSQL can both write. */
const firstInstant = Date.parse('0001-01-01T00:00:00.000Z') as Instant;
export const lastInstant = Date.parse('9999-12-31T23:59:59.999Z') as Instant;

export const secondMs = 1_000;
export const minuteMs = 60 * secondMs;
export const hourMs = 60 * minuteMs;
/** A day has 24 hours, also when summer time begins (design, Rules). */
export const dayMs = 24 * hourMs;

export function instant(epochMs: number): Instant {
  return epochMs as Instant;
}

export function later(from: Instant, byMs: number): Instant {
  return (from + byMs) as Instant;
}

export function earliest(a: Instant, b: Instant): Instant {
  return a < b ? a : b;
}

export function latest(a: Instant, b: Instant): Instant {
  return a > b ? a : b;
}

const isoWithOffset =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})$/;

/**
 * Reads ISO 8601 with an offset (`2026-11-24T09:00:00+03:00`, `…Z`); undefined for anything else,
 * also for a day that the calendar does not have. Digits below a millisecond are cut off.
 */
export function tryParseInstant(text: string): Instant | undefined {
  const match = isoWithOffset.exec(text);
  if (match === null) return undefined;
  const epochMs = Date.parse(text);
  // An offset can move a time of year 9999 into a year of five digits.
  if (!(epochMs >= firstInstant && epochMs <= lastInstant)) return undefined;
  const [, year, month, day] = match;
  const lastDay = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return Number(day) > lastDay ? undefined : instant(epochMs);
}

/** Like `tryParseInstant`, for a value of a person. @throws UsageFault that names `place`. */
export function parseInstant(text: string, place: string): Instant {
  const parsed = tryParseInstant(text);
  if (parsed !== undefined) return parsed;
  throw new UsageFault(
    'bad_time',
    `${place}: "${text}" is not a time; expected ISO 8601 with an offset, like 2026-11-24T09:00:00Z`,
  );
}

/** ISO 8601 in UTC with milliseconds; `infinity` for `never`, as PostgreSQL reads it. */
export function isoTime(at: Instant): string {
  return at === never ? 'infinity' : new Date(at).toISOString();
}

const durationUnits = { ms: 1, s: secondMs, m: minuteMs, h: hourMs, d: dayMs } as const;

/** `6h`, `15s`, `10m`, `7d`, `250ms` in whole milliseconds; undefined for anything else. */
export function tryParseDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  return Math.round(Number(match[1]) * durationUnits[match[2] as keyof typeof durationUnits]);
}

/** A duration as the configuration writes it, in its largest whole unit: `6h`, `90m`, `1d`. */
export function formatDuration(ms: number): string {
  const [unit] = Object.entries(durationUnits).findLast(([, unitMs]) => ms % unitMs === 0) ?? [
    'ms',
  ];
  return `${ms / durationUnits[unit as keyof typeof durationUnits]}${unit}`;
}
