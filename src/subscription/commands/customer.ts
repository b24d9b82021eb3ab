import { sql } from 'kysely';
import { inTransaction, type Tx } from '../../db/connect.ts';
import { readWriteTime } from '../../db/trusted-time.ts';
import { refused, UsageFault } from '../../kernel/faults.ts';
import { type CustomerId, generateSubToken } from '../../kernel/ids.ts';
import { isoTime } from '../../kernel/instant.ts';
import { isLocale } from '../../kernel/locale.ts';
import { isCurrency } from '../../kernel/money.ts';
import { isTimeZone } from '../../kernel/time-zone.ts';
import type { Caller } from '../store/command-context.ts';
import { recordEvents, toCustomerSubject } from '../store/events.ts';
import { recordActivity } from '../store/reachability.ts';
import { checkRemindersNow, retryRenewalsNow } from '../store/retry-now.ts';
import { requireKeyNotInFlight, withIdempotencyKey, withLockedCustomer } from './command.ts';

// The commands that create and change customers, without money and rights.

export interface CustomerFields {
  readonly locale?: string;
  readonly timeZone?: string;
  readonly vip?: boolean;
  readonly discountPercent?: number;
  readonly currency?: string;
  readonly reachable?: boolean;
}

export interface NewCustomer extends CustomerFields {
  readonly telegramId: bigint;
  readonly currency: string;
}

export type CustomerResult = {
  readonly id: number;
  readonly telegram_id: number;
  readonly locale: string;
  readonly time_zone: string;
  readonly currency: string;
  readonly vip: boolean;
  readonly discount_percent: number;
  readonly reachable: boolean;
  readonly sub_token: string;
};

/** Refuses values that only a constraint of the database would refuse. @throws UsageFault */
function requireValidFields(given: CustomerFields): void {
  const { locale, timeZone, discountPercent, currency } = given;
  if (locale !== undefined && !isLocale(locale)) {
    throw new UsageFault('bad_locale', `locale: "${locale}" is not a language; expected en or ru`);
  }
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    throw new UsageFault(
      'bad_time_zone',
      `time_zone: "${timeZone}" is not a time zone; expected a name like Europe/Moscow`,
    );
  }
  if (discountPercent !== undefined && !(discountPercent >= 0 && discountPercent <= 100)) {
    throw new UsageFault(
      'bad_discount',
      `discount_percent: ${discountPercent} is not a percentage; expected 0 to 100`,
    );
  }
  if (currency !== undefined && !isCurrency(currency)) {
    throw new UsageFault(
      'bad_currency',
      `currency: "${currency}" is not a currency; expected a code like RUB`,
    );
  }
}

/** Adds a customer without money or rights. @throws Fault `customer_exists`, UsageFault */
export function createCustomer(caller: Caller, given: NewCustomer): Promise<CustomerResult> {
  requireValidFields(given);
  // Answers contain the id as a number. A number that JSON rounds would name another customer.
  if (given.telegramId < 1n || given.telegramId > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new UsageFault(
      'bad_telegram_id',
      `telegram_id: "${given.telegramId}" is not a Telegram id; expected a whole number like 123456789`,
    );
  }
  return inTransaction(caller.db, async (tx) => {
    await requireKeyNotInFlight(tx, 'create', caller);
    return withIdempotencyKey(tx, 'create', caller, given, async () => {
      const now = await readWriteTime(tx);
      const added = await tx
        .insertInto('perennial.customer')
        .values({
          telegram_id: given.telegramId,
          currency: given.currency,
          sub_token: generateSubToken(),
          created_at: isoTime(now),
          ...toColumns(given),
        })
        .onConflict((conflict) => conflict.column('telegram_id').doNothing())
        .returning('id')
        .executeTakeFirst();
      if (added === undefined) {
        throw refused('customer_exists', `customer ${given.telegramId} exists already`);
      }
      const { id } = added;
      const event = {
        customerId: id,
        subject: toCustomerSubject(id),
        action: 'created',
        detail: {},
      };
      await recordEvents(tx, [event], caller.actor, now);
      return readCustomerResult(tx, id);
    });
  });
}

export interface CustomerUpdate extends CustomerFields {
  readonly telegramId: bigint;
  /** A new secret for the subscription URL. The old URL stops working. */
  readonly newSubToken?: boolean;
}

/**
 * Changes the fields of a customer.
 * @throws Fault `has_money` for a change of currency after the first money
 */
export async function setCustomer(caller: Caller, given: CustomerUpdate): Promise<CustomerResult> {
  requireValidFields(given);
  return withLockedCustomer(caller, 'set', given.telegramId, given, async (context) => {
    const { tx, customer } = context;
    const { currency } = given;
    if (currency !== undefined && currency !== customer.currency) {
      await requireNoMoney(tx, customer.id, customer.currency);
    }
    const columns = {
      ...toColumns(given),
      ...(currency === undefined ? {} : { currency }),
      ...(given.newSubToken === true ? { sub_token: generateSubToken() } : {}),
    };
    if (Object.keys(columns).length === 0) {
      throw new UsageFault('nothing_to_set', 'nothing to set; --help lists the options');
    }
    if (given.reachable !== false) await recordActivity(context);
    await tx.updateTable('perennial.customer').set(columns).where('id', '=', customer.id).execute();
    const isDiscount = given.vip !== undefined || given.discountPercent !== undefined;
    if (isDiscount) {
      await retryRenewalsNow(tx, customer.id, context.now, context.settings);
      await checkRemindersNow(tx, customer.id, context.now);
    }
    const { telegramId: _, ...named } = given;
    // The audit recomputes the discount of earlier charges from this event.
    const before = { vip: customer.vip, discount_percent: customer.discountPercent };
    const detail = { ...named, ...(isDiscount ? { before } : {}) };
    const event = {
      customerId: customer.id,
      subject: toCustomerSubject(customer.id),
      action: 'set',
      detail,
    };
    await recordEvents(tx, [event], context.actor, context.now);
    return readCustomerResult(tx, customer.id);
  });
}

function toColumns(given: CustomerFields) {
  return {
    ...(given.locale === undefined ? {} : { locale: given.locale }),
    ...(given.timeZone === undefined ? {} : { time_zone: given.timeZone }),
    ...(given.vip === undefined ? {} : { vip: given.vip }),
    ...(given.discountPercent === undefined ? {} : { discount_percent: given.discountPercent }),
    ...(given.reachable === undefined ? {} : { reachable: given.reachable }),
  };
}

async function requireNoMoney(tx: Tx, id: CustomerId, currency: string): Promise<void> {
  const { rows } = await sql<{ used: boolean }>`
    SELECT EXISTS (SELECT FROM perennial.ledger_entry WHERE customer_id = ${id})
      OR EXISTS (SELECT FROM perennial.period p JOIN perennial.subscription s
        ON s.id = p.subscription_id WHERE s.customer_id = ${id}) AS used`.execute(tx);
  if (rows[0]?.used !== true) return;
  throw refused(
    'has_money',
    `the money of the customer is in ${currency}; the currency cannot change`,
  );
}

async function readCustomerResult(tx: Tx, id: CustomerId): Promise<CustomerResult> {
  const row = await tx
    .selectFrom('perennial.customer')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return {
    id: Number(row.id),
    telegram_id: Number(row.telegram_id),
    locale: row.locale,
    time_zone: row.time_zone,
    currency: row.currency,
    vip: row.vip,
    discount_percent: row.discount_percent,
    reachable: row.reachable,
    sub_token: row.sub_token,
  };
}
