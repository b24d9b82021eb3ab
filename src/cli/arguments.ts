import { InvalidArgumentError } from 'commander';
import { UsageFault } from '../kernel/faults.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { readMinor } from '../kernel/money.ts';
import { isNoticeKind, type NoticeKind, noticeKinds } from '../notify/kinds.ts';

// What a person types, read strictly: a value that isn't meant is refused, never guessed.

/** A Telegram id: a whole number above 0 that JSON holds exactly; Telegram gives out 52 bits. */
export function telegramId(text: string): bigint {
  if (/^[1-9]\d{0,15}$/.test(text) && Number.isSafeInteger(Number(text))) return BigInt(text);
  throw new InvalidArgumentError(`"${text}" is not a Telegram id; a whole number as 123456789 is`);
}

/** A whole number from `min` to `max`. */
export function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`"${text}" is not a whole number from ${min} to ${max}`);
  };
}

export const days = whole(1, 3_660);

/** An id of a row. */
export function rowId(text: string): bigint {
  if (/^[1-9]\d{0,17}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError(
    `"${text}" is not an id; a whole number as "customer show" prints is`,
  );
}

export const subscriptionId = (text: string): SubscriptionId => rowId(text) as SubscriptionId;

/** @returns a kind of notice */
export function noticeKind(text: string): NoticeKind {
  if (isNoticeKind(text)) return text;
  throw new InvalidArgumentError(
    `"${text}" is no kind of notice; there is ${noticeKinds.join(', ')}`,
  );
}

/** `on` or `off`. */
export function onOff(text: string): boolean {
  if (text === 'on' || text === 'off') return text === 'on';
  throw new InvalidArgumentError(`"${text}" is neither on nor off`);
}

/** Major units of a currency that is known only once the books are open. @throws UsageFault */
export function amount(text: string, currency: string, place: string): bigint {
  const read = readMinor(text, currency);
  if ('minor' in read) return read.minor;
  throw new UsageFault('bad_amount', `${place}: "${text}" is ${read.wrong}`);
}

/** The same without what was not given. */
export function given<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
