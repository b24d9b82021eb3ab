import type { SubscriptionKind } from '../db/schema.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { isLocale } from '../kernel/locale.ts';
import { isCurrency, majorUnits } from '../kernel/money.ts';
import { isReason } from '../subscription/commands/block.ts';
import type { PriceList } from '../subscription/store/prices.ts';
import {
  type CellResult,
  emptyCell,
  formatList,
  isRoundedBySpreadsheet,
  isZone,
  parseAmount,
  parseEnd,
  parseFlag,
  parseWholeNumber,
  rejectCell,
} from './values.ts';

// The columns of an import or export (docs/import.md), in their order: allowed values, default,
// parser and writer. A column is parsed with the earlier columns of its line. A column that is
// wrong is undefined, and columns that depend on it are not checked, so one mistake is reported
// once.

/** A parsed line: customer columns, then subscription columns (null without a subscription). */
export interface FileLine {
  readonly telegram_id: bigint;
  readonly locale: string;
  readonly time_zone: string;
  readonly currency: string;
  /** Minor units; the file has major units. */
  readonly balance: bigint;
  /** The debt of the customer after chargebacks, in minor units. */
  readonly claim: bigint;
  readonly vip: boolean;
  readonly discount_percent: number;
  readonly trial_used: boolean;
  /** Null: one is generated. */
  readonly sub_token: string | null;
  /** Null: the customer is not blocked. */
  readonly blocked_reason: string | null;
  readonly kind: SubscriptionKind | null;
  readonly plan: string | null;
  readonly period_days: number | null;
  readonly expires_at: Instant | null;
  readonly auto_renew: boolean | null;
  /** Null: a running subscription gets a new one. */
  readonly uuid: string | null;
}

export type ColumnName = keyof FileLine;

/** Values of the database that a line needs. */
export interface LineContext {
  /** The default of `currency`. */
  readonly currency: string;
  readonly plans: ReadonlySet<string>;
  readonly prices: PriceList;
  /** The default of `period_days` for a trial. */
  readonly trialDays: number;
}

type EarlierValues = { readonly [N in ColumnName]?: FileLine[N] | undefined };

interface Column<N extends ColumnName> {
  readonly owner: 'customer' | 'subscription';
  /** For persons. A test compares docs/import.md with these words. */
  readonly allows: string;
  readonly empty: string;
  read(text: string, earlier: EarlierValues, context: LineContext): CellResult<FileLine[N]>;
  write(value: NonNullable<FileLine[N]>, line: FileLine): string;
}

/** The largest integer of JSON; Telegram uses 52 bits. */
const telegramIdMax = BigInt(Number.MAX_SAFE_INTEGER);

/** An amount in the currency of the line, which is parsed earlier. */
const amountColumn: Pick<Column<'balance'>, 'empty' | 'read' | 'write'> = {
  empty: '`0`',
  read: (text, { currency }) => {
    if (text === '') return { value: 0n };
    if (currency === undefined) return undefined;
    return parseAmount(text, currency);
  },
  write: (value, line) => majorUnits(value, line.currency),
};

export const columns: { readonly [N in ColumnName]: Column<N> } = {
  telegram_id: {
    owner: 'customer',
    allows: 'a whole number from 1 to 9007199254740991',
    empty: 'not allowed',
    read: (text) => {
      if (text === '') return emptyCell;
      if (isRoundedBySpreadsheet(text))
        return rejectCell('was rounded by a spreadsheet; expected digits');
      const value = /^[1-9]\d{0,15}$/.test(text) ? BigInt(text) : 0n;
      return value > 0n && value <= telegramIdMax ? { value } : rejectCell('is not a Telegram id');
    },
    write: String,
  },
  locale: {
    owner: 'customer',
    allows: 'a language tag, as `ru` or `pt-BR`',
    empty: '`en`',
    read: (text) => {
      if (text === '') return { value: 'en' };
      return isLocale(text)
        ? { value: text }
        : rejectCell('is not a language tag; expected one like ru or pt-BR');
    },
    write: String,
  },
  time_zone: {
    owner: 'customer',
    allows: 'a name of the time zone database, as `Europe/Moscow`',
    empty: '`UTC`',
    read: (text) => {
      if (text === '') return { value: 'UTC' };
      return isZone(text)
        ? { value: text }
        : rejectCell('is not a time zone; expected a name like Europe/Moscow');
    },
    write: String,
  },
  currency: {
    owner: 'customer',
    allows: 'an ISO 4217 code, or `XTR`',
    empty: "the configuration's `currency`",
    read: (text, _, context) => {
      if (text === '') return { value: context.currency };
      return isCurrency(text)
        ? { value: text }
        : rejectCell('is not a currency; expected an ISO 4217 code like RUB or USD, or XTR');
    },
    write: String,
  },
  balance: {
    owner: 'customer',
    allows: 'an amount in major units, not negative, with no more decimals than the currency has',
    ...amountColumn,
  },
  claim: {
    owner: 'customer',
    allows: 'the debt after chargebacks, an amount as `balance`',
    ...amountColumn,
  },
  vip: {
    owner: 'customer',
    allows: '`true` or `false`',
    empty: '`false`',
    read: (text) => parseFlag(text, false),
    write: String,
  },
  discount_percent: {
    owner: 'customer',
    allows: 'a whole number from 0 to 100',
    empty: '`0`',
    read: (text) => (text === '' ? { value: 0 } : parseWholeNumber(text, 0, 100)),
    write: String,
  },
  trial_used: {
    owner: 'customer',
    allows: '`true` or `false`',
    empty: '`true`',
    read: (text) => parseFlag(text, true),
    write: String,
  },
  sub_token: {
    owner: 'customer',
    allows: '16 to 128 letters, digits, `-`, `_`, `.` and `~`: the end of the subscription link',
    empty: 'a new one',
    read: (text) => {
      if (text === '') return { value: null };
      return /^[A-Za-z0-9_.~-]{16,128}$/.test(text)
        ? { value: text }
        : rejectCell('is not 16 to 128 letters, digits, -, _, . and ~');
    },
    write: String,
  },
  blocked_reason: {
    owner: 'customer',
    allows: 'why the customer is blocked, one line of at most 500 characters',
    empty: 'the customer is not blocked',
    read: (text) => {
      if (text === '') return { value: null };
      return isReason(text)
        ? { value: text }
        : rejectCell('is not one line of at most 500 characters');
    },
    write: String,
  },
  kind: {
    owner: 'subscription',
    allows: '`paid` or `trial`',
    empty: 'a customer without a subscription; the columns from here on are empty too',
    read: (text, { trial_used }) => {
      if (text === '') return { value: null };
      if (text === 'paid') return { value: text };
      if (text !== 'trial') return rejectCell('is not a kind; expected paid or trial');
      return trial_used === false
        ? rejectCell('is a trial, but trial_used is false')
        : { value: text };
    },
    write: String,
  },
  plan: {
    owner: 'subscription',
    allows: 'the key of a plan; with `auto_renew`, one that has prices in the customer’s currency',
    empty: 'not allowed',
    read: (text, _, context) => {
      if (text === '') return emptyCell;
      if (context.plans.has(text)) return { value: text };
      return rejectCell(`is not a plan; available: ${formatList(context.plans)}`);
    },
    write: String,
  },
  period_days: {
    owner: 'subscription',
    allows: 'days, 1 to 3660; with `auto_renew`, a period that the plan has a price for',
    empty: '`30`; for a trial the days of the configuration, or `3`',
    read: (text, { kind }, context) => {
      if (text !== '') return parseWholeNumber(text, 1, 3660);
      return { value: kind === 'trial' ? context.trialDays : 30 };
    },
    write: String,
  },
  expires_at: {
    owner: 'subscription',
    allows: 'ISO 8601 with an offset, as `2026-11-24T09:00:00+03:00` or `…Z`; milliseconds count',
    empty: 'not allowed',
    read: (text) => (text === '' ? emptyCell : parseEnd(text)),
    write: isoTime,
  },
  auto_renew: {
    owner: 'subscription',
    allows: '`true` or `false`; a trial is imported with `false`, because it is not renewed',
    empty: '`true`; for a trial `false`',
    read: (text, { kind }) => {
      const read = parseFlag(text, kind === 'paid');
      return 'wrong' in read || kind !== 'trial' ? read : { value: false };
    },
    write: String,
  },
  uuid: {
    owner: 'subscription',
    allows: 'the UUID that opens the nodes, 36 characters',
    empty: 'a new one for a running subscription, none for one that has ended',
    read: (text) => {
      if (text === '') return { value: null };
      return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
        ? { value: text.toLowerCase() }
        : rejectCell('is not a UUID of 36 characters');
    },
    write: String,
  },
};

/**
 * A combination that auto-renewal could not renew, although each column is valid. Auto-renewal
 * never guesses a price. Without `auto_renew` nothing is charged, so any length is valid.
 */
export function checkPrice(
  { plan, period_days: days, currency, auto_renew }: EarlierValues,
  context: LineContext,
): { readonly column: 'plan' | 'period_days'; readonly reason: string } | undefined {
  if (!auto_renew || plan == null || days == null || currency === undefined) return undefined;
  if (context.prices.getMinor(plan, days, currency) !== null) return undefined;
  const ofPlan = context.prices.entries.filter((entry) => entry.plan === plan);
  const inCurrency = ofPlan.filter((entry) => entry.currency === currency);
  if (inCurrency.length > 0) {
    const available = formatList(inCurrency.map((entry) => entry.periodDays));
    return {
      column: 'period_days',
      reason: `${plan} has no price for it in ${currency}; available: ${available}`,
    };
  }
  const available = formatList(ofPlan.map((entry) => entry.currency));
  return { column: 'plan', reason: `has no price in ${currency}; available: ${available}` };
}

export const columnNames = Object.keys(columns) as readonly ColumnName[];

/** The columns that an export writes only if a customer has a value. */
const optionalColumns = ['claim', 'blocked_reason'] as const;

export const defaultColumns = columnNames.filter(
  (name) => !optionalColumns.some((optional) => optional === name),
);

export function isColumnName(name: string): name is ColumnName {
  return Object.hasOwn(columns, name);
}
