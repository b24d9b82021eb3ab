import { InvalidArgumentError } from 'commander';
import { UsageFault } from '../kernel/faults.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { type Instant, tryParseInstant } from '../kernel/instant.ts';
import { isLocale } from '../kernel/locale.ts';
import { isCurrency, tryParseMinor } from '../kernel/money.ts';
import { isTimeZone } from '../kernel/time-zone.ts';
import { isNoticeKind, type NoticeKind, noticeKinds } from '../outbox/kinds.ts';
import { isMonthLabel } from '../reports/month.ts';
import { isTokenName } from '../tokens/token.ts';

// Parsers of values on the command line. They refuse every unclear value and guess nothing.

/** A Telegram id: a whole number above 0 that JSON holds exactly. Telegram uses 52 bits. */
export function parseTelegramId(text: string): bigint {
  if (/^[1-9]\d{0,15}$/.test(text) && Number.isSafeInteger(Number(text))) return BigInt(text);
  throw new InvalidArgumentError(
    `"${text}" is not a Telegram id; expected a whole number like 123456789`,
  );
}

/** A whole number from `min` to `max`. */
export function createWholeParser(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(
      `"${text}" is not a valid number; expected a whole number from ${min} to ${max}`,
    );
  };
}

export const parseDays = createWholeParser(1, 3_660);

/** An id of a row. */
export function parseRowId(text: string): bigint {
  if (/^[1-9]\d{0,17}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError(
    `"${text}" is not an id; expected a whole number like 17, see "perennial customer show"`,
  );
}

export const parseSubscriptionId = (text: string): SubscriptionId =>
  parseRowId(text) as SubscriptionId;

/** The name of a token or of an operator. */
export function parseTokenName(text: string): string {
  if (isTokenName(text)) return text;
  throw new InvalidArgumentError(
    `"${text}" is not a name; expected 1 to 64 printable characters with single spaces between them`,
  );
}

/** The kind of a notification. */
export function parseNoticeKind(text: string): NoticeKind {
  if (isNoticeKind(text)) return text;
  throw new InvalidArgumentError(
    `"${text}" is not a kind of notification; available: ${noticeKinds.join(', ')}`,
  );
}

/** One of these workers. */
export function createWorkerParser(names: readonly string[]): (text: string) => string {
  return (text) => {
    if (names.includes(text)) return text;
    throw new InvalidArgumentError(`"${text}" is not a worker; available: ${names.join(', ')}`);
  };
}

/** `on` or `off`. */
export function parseOnOff(text: string): boolean {
  if (text === 'on' || text === 'off') return text === 'on';
  throw new InvalidArgumentError(`"${text}" is not a switch; expected on or off`);
}

/** An ISO 4217 code, or XTR. */
export function parseCurrencyCode(text: string): string {
  if (isCurrency(text)) return text;
  throw new InvalidArgumentError(`"${text}" is not a currency; expected a code like RUB`);
}

/** An IETF tag of a language. */
export function parseLocaleCode(text: string): string {
  if (isLocale(text)) return text;
  throw new InvalidArgumentError(`"${text}" is not a language; expected a code like en or ru`);
}

/** An IANA time zone. */
export function parseTimeZone(text: string): string {
  if (isTimeZone(text)) return text;
  throw new InvalidArgumentError(
    `"${text}" is not a time zone; expected a name like Europe/Moscow`,
  );
}

/** A time with an offset. */
export function parseTime(text: string): Instant {
  const read = tryParseInstant(text);
  if (read !== undefined) return read;
  throw new InvalidArgumentError(
    `"${text}" is not a time; expected ISO 8601 with an offset, like 2026-11-24T09:00:00Z`,
  );
}

/** A month like `2026-11`. */
export function parseMonthLabel(text: string): string {
  if (isMonthLabel(text)) return text;
  throw new InvalidArgumentError(`"${text}" is not a month; expected one like 2026-11`);
}

/** Collects the values of an option that can be given several times. */
export const collectValues = (value: string, before: readonly string[] = []): string[] => [
  ...before,
  value,
];

/** Checks a text before the database is open. The command parses it later. */
export const createChecker =
  (read: (text: string) => unknown) =>
  (text: string): string => {
    read(text);
    return text;
  };

/** Major units of a currency that only the database knows. @throws UsageFault `bad_amount` */
export function parseAmountOption(text: string, currency: string, place: string): bigint {
  const parsed = tryParseMinor(text, currency);
  if ('minor' in parsed) return parsed.minor;
  throw new UsageFault('bad_amount', `${place}: "${text}" is ${parsed.wrong}`);
}

/** The same object without undefined values. */
export function omitUndefined<T extends object>(
  values: T,
): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
