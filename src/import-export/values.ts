import { type Instant, instant, tryParseInstant } from '../kernel/instant.ts';
import { tryParseMinor } from '../kernel/money.ts';
import { isTimeZone } from '../kernel/time-zone.ts';

// Parses the text of one cell. Forms of spreadsheets are accepted if they are unambiguous.
// Otherwise the reason names them.

/** Undefined: it cannot be checked, because a column that it depends on is wrong. */
export type CellResult<T> = { readonly value: T } | { readonly wrong: string } | undefined;
type CheckedResult<T> = Exclude<CellResult<T>, undefined>;

export const rejectCell = (reason: string) => ({ wrong: reason });
export const emptyCell = rejectCell('is empty; expected a value');

/** Also TRUE and FALSE of Excel and LibreOffice, and their Russian names. */
const flags: ReadonlyMap<string, boolean> = new Map([
  ...['true', 't', '1', 'истина'].map((text) => [text, true] as const),
  ...['false', 'f', '0', 'ложь'].map((text) => [text, false] as const),
]);

export function parseFlag(text: string, empty: boolean): CheckedResult<boolean> {
  if (text === '') return { value: empty };
  const value = flags.get(text.toLowerCase());
  return value === undefined ? rejectCell('is not a switch; expected true or false') : { value };
}

export function parseWholeNumber(text: string, min: number, max: number): CheckedResult<number> {
  const value = /^(0|[1-9]\d{0,8})$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return { value };
  return rejectCell(`is not a whole number from ${min} to ${max}`);
}

/** `1.23457E+11`: a spreadsheet shows long numbers like this and loses their last digits. */
export const isRoundedBySpreadsheet = (text: string): boolean =>
  /^\d([.,]\d+)?E\+?\d+$/i.test(text);

/** Major units, at least 0, as minor units. */
export function parseAmount(text: string, currency: string): CheckedResult<bigint> {
  if (/^-?[\d\s\u00a0\u202f]+,\d{1,4}$/.test(text)) {
    return rejectCell('has a decimal comma; expected a point and no spaces, like 149.50');
  }
  const read = tryParseMinor(text, currency);
  if ('wrong' in read) return rejectCell(`is ${read.wrong}`);
  return read.minor < 0n ? rejectCell('is negative') : { value: read.minor };
}

/**
 * Names of zones that were checked, because ICU is slow. An offset is not a zone: it has no summer.
 */
const knownZones = new Set<string>(['UTC']);

export function isZone(name: string): boolean {
  if (knownZones.has(name)) return true;
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name) || !isTimeZone(name)) return false;
  knownZones.add(name);
  return true;
}

export const formatList = (names: Iterable<string | number>): string =>
  [...new Set(names)].slice(0, 20).join(', ') || 'none';

const earliestEnd = Date.UTC(2001, 0, 1);
const latestEnd = Date.UTC(9999, 11, 31);

/** `24.11.2026 9:00`, `11/24/26`, `2026-11-24 9:00`, and the number of days of Excel. */
const spreadsheetTime =
  /^(\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2})( |$)|^\d{5}([.,]\d+)?$/;

export function parseEnd(text: string): CheckedResult<Instant> {
  const value = tryParseInstant(text);
  if (value === undefined) return rejectCell(formatTimeReason(text));
  if (value >= instant(earliestEnd) && value <= instant(latestEnd)) return { value };
  return rejectCell('is not between 2001 and 9999');
}

function formatTimeReason(text: string): string {
  if (tryParseInstant(`${text}Z`) !== undefined) {
    return 'has no offset; expected one like 2026-11-24T09:00:00+03:00';
  }
  if (spreadsheetTime.test(text)) {
    return 'is a date in the format of a spreadsheet; expected ISO 8601 with an offset, like 2026-11-24T09:00:00Z';
  }
  return 'is not a time; expected ISO 8601 with an offset, like 2026-11-24T09:00:00Z';
}
