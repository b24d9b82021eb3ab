import { z } from 'zod';
import type { SubscriptionId } from '../kernel/ids.ts';
import { tryParseInstant } from '../kernel/instant.ts';
import { isCurrency } from '../kernel/money.ts';
import type { EndCondition } from '../subscription/commands/conditions.ts';

// Values as they come in and go out: names as in the tables, money as text in major units beside
// its currency, times in ISO 8601, ids as numbers.

const idMax = Number.MAX_SAFE_INTEGER;

/** An id in a path or a query, as text. */
const idTextSchema = z
  .string()
  .regex(/^[1-9]\d{0,15}$/, 'is not an id; expected a whole number')
  .refine((text) => Number(text) <= idMax, 'is not an id; expected a whole number');

export const telegramIdTextSchema = idTextSchema.describe('Telegram id');
export const telegramIdSchema = z.number().int().min(1).max(idMax).describe('Telegram id');
export const rowIdSchema = z.number().int().min(1).max(idMax);
export const periodDaysSchema = z.number().int().min(1).max(3_660);
export const planKeySchema = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'is not a plan');
export const timeSchema = z.iso.datetime().describe('ISO 8601 in UTC');
export const currencySchema = z
  .string()
  .regex(/^[A-Z]{3}$/)
  .refine(isCurrency, 'is not a currency; expected a code like RUB')
  .describe('ISO 4217, or XTR');
/** The decimals are checked when the currency of the customer is known. */
export const moneySchema = z
  .string()
  // Any number of digits, so that an amount beyond bigint is refused by its size.
  .regex(/^-?\d+(\.\d{1,4})?$/, 'is not an amount; expected one like "149" or "149.50"')
  .describe('major units, as "149.50"');
export const createTextSchema = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    // A text is one line. Control characters would reach a terminal; PostgreSQL has no NUL, and
    // half a surrogate is no character.
    .regex(/^[\p{Z}\p{Cf}]*[^\p{Z}\p{Cf}\p{Cc}]\P{Cc}*$/u, 'is blank, or has a control character')
    .refine((value) => value.isWellFormed(), 'has half of a character');

const isoTimeSchema = z.iso.datetime({ offset: true });
/** Accepts a year of more than four digits: its size is refused later, not its form. */
const isTime = (text: string): boolean =>
  isoTimeSchema.safeParse(text.replace(/^\+?\d{5,}-/, '2000-')).success;

/** A time that a request names. */
export const givenTimeSchema = z
  .string()
  .meta({ format: 'date-time' })
  .refine(isTime, { error: 'is not a time; expected ISO 8601 with an offset', abort: true })
  .refine((text) => tryParseInstant(text) !== undefined, {
    error: 'is a time outside the years 0001 to 9999',
    params: { isSize: true },
  });

/** A condition: the end that the customer saw. */
export const ifExpiresAtSchema = givenTimeSchema
  .describe('condition: if the end is different now, nothing changes (expires_at_changed)')
  .optional();

/** The condition in the form of a command. */
export const parseEndCondition = (value: string | null | undefined): EndCondition =>
  value === undefined
    ? {}
    : { ifExpiresAt: value === null ? null : (tryParseInstant(value) ?? null) };

export const byTelegramId = z.object({ telegram_id: telegramIdTextSchema });
export const bySubscription = z.object({ id: idTextSchema });
export const byRun = z.object({ id: idTextSchema });

export const parseTelegramIdParam = (params: { readonly telegram_id: string }): bigint =>
  BigInt(params.telegram_id);
export const parseSubscriptionIdParam = (id: string | number): SubscriptionId =>
  BigInt(id) as SubscriptionId;

export const pageQuery = z.object({
  limit: z
    .string()
    .regex(/^([1-9]\d?|[1-4]\d\d|500)$/, 'is not a number from 1 to 500')
    .optional()
    .describe('1 to 500; 50 by default'),
  cursor: z
    .string()
    .regex(/^[1-9]\d{0,18}$/, 'is not a cursor; expected next_cursor of the page before')
    .optional()
    .describe('`next_cursor` of the page before'),
});

const bigintMax = 2n ** 63n - 1n;

export function parsePageQuery(query: z.output<typeof pageQuery>): {
  readonly max: number;
  readonly before: bigint | undefined;
} {
  const cursor = query.cursor === undefined ? undefined : BigInt(query.cursor);
  const before = cursor !== undefined && cursor > bigintMax ? bigintMax : cursor;
  return { max: Number(query.limit ?? 50), before };
}

export const createPageSchema = <S extends z.ZodType>(item: S) =>
  z.object({
    items: z.array(item),
    next_cursor: z.string().nullable().describe('null: this was the last page'),
  });

/** A page of an answer. One more row was read, which shows if another page exists. */
export function toPage<Item extends { readonly id: number }>(
  rows: readonly Item[],
  max: number,
): { items: Item[]; next_cursor: string | null } {
  const items = rows.slice(0, max);
  const last = items.at(-1);
  const more = rows.length > max && last !== undefined;
  return { items, next_cursor: more ? String(last.id) : null };
}
