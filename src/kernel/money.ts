import { UsageFault } from './faults.ts';

/** Minor units of one currency (kopecks, cents). Never a float; a string of major units in JSON. */
export interface Money {
  readonly minor: bigint;
  readonly currency: string;
}

/** Currencies outside ISO 4217. Telegram Stars have no minor unit. */
const ownDigits: Readonly<Record<string, number>> = { XTR: 0 };

const digitsByCurrency = new Map<string, number>();

/** Digits after the point of a currency (2 for RUB, 0 for JPY), by ISO 4217 in ICU. */
export function minorDigits(currency: string): number {
  const own = ownDigits[currency];
  if (own !== undefined) return own;
  let digits = digitsByCurrency.get(currency);
  if (digits === undefined) {
    digits =
      new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions()
        .maximumFractionDigits ?? 2;
    digitsByCurrency.set(currency, digits);
  }
  return digits;
}

const currencies = new Set([...Intl.supportedValuesOf('currency'), ...Object.keys(ownDigits)]);

/** True for an ISO 4217 code that ICU has, and for XTR. */
export function isCurrency(code: string): boolean {
  return currencies.has(code);
}

/** The largest value of a bigint column. */
export const minorMax = 2n ** 63n - 1n;

/** More digits than bigint has. The work for a longer number is bounded. */
const digitsMax = 30;

export type ParsedMinor = { minor: bigint } | { wrong: string };

/** Reads major units (`149`, `149.50`, `-3.2`) into minor units, or returns the fault. */
export function tryParseMinor(text: string, currency: string): ParsedMinor {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (match === null) return { wrong: 'not an amount; expected one like 149 or 149.50' };
  const digits = minorDigits(currency);
  const fraction = match[3] ?? '';
  if (fraction.length > digits) {
    const allowed = digits === 0 ? 'no decimals' : `at most ${digits} decimals`;
    return { wrong: `not an amount of ${currency}; expected ${allowed}` };
  }
  const whole = match[2] ?? '';
  const minor = BigInt(`${whole.slice(0, digitsMax)}${fraction.padEnd(digits, '0')}`);
  if (whole.length > digitsMax || minor > minorMax) {
    return { wrong: `too large; expected at most ${minorMax} minor units` };
  }
  return { minor: match[1] === '-' ? -minor : minor };
}

/** Like `tryParseMinor`, for a value of a person. @throws UsageFault that names `place`. */
export function parseMinor(text: string, currency: string, place: string): bigint {
  const parsed = tryParseMinor(text, currency);
  if ('minor' in parsed) return parsed.minor;
  const shown = text.length > digitsMax ? `${text.slice(0, digitsMax)}…` : text;
  throw new UsageFault('bad_amount', `${place}: "${shown}" is ${parsed.wrong}`);
}

/** Major units as a plain decimal: 14950n RUB is `149.50`. Every digit of the currency is shown. */
export function majorUnits(minor: bigint, currency: string): string {
  const digits = minorDigits(currency);
  const sign = minor < 0n ? '-' : '';
  const padded = (minor < 0n ? -minor : minor).toString().padStart(digits + 1, '0');
  if (digits === 0) return `${sign}${padded}`;
  return `${sign}${padded.slice(0, -digits)}.${padded.slice(-digits)}`;
}

/** `149.50 RUB`. */
export function moneyText(minor: bigint, currency: string): string {
  return `${majorUnits(minor, currency)} ${currency}`;
}

/**
 * The only rounding: the part `of / whole` of an amount, down to a whole minor unit.
 * `amount >= 0`, `0 <= of <= whole`, `whole > 0`.
 */
export function floorShare(amountMinor: bigint, of: bigint, whole: bigint): bigint {
  return (amountMinor * of) / whole;
}
