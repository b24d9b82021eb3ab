import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import type { KnownPriceSource } from '../../db/schema-prices.ts';
import { unnest } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime, later } from '../../kernel/instant.ts';
import type { NoticeParams } from '../../outbox/kinds.ts';
import type { KnownPrice, KnownPrices } from '../rules/price-cap.ts';

// The amounts that customers know: `known_price`, and the last charge of a plan and length.
//
// `known_price` is written in the transaction of its cause. The last charge is the amount of a
// period.

/** Length of a period in days, also of a period from before lengths were stored. */
const periodLength = sql`coalesce(p.period_days,
  round(extract(epoch FROM p.ends_at - p.starts_at) / 86400)::int)`;

const selectLastPaid = (
  plan: RawBuilder<unknown>,
  days: RawBuilder<unknown>,
  refunded: string,
) => sql`
  (SELECT p.amount_minor FROM perennial.period p
   WHERE p.subscription_id = s.id AND p.refunded_at IS ${sql.raw(refunded)}
     AND p.ledger_entry_id IS NOT NULL AND p.plan = ${plan} AND ${periodLength} = ${days}
   ORDER BY p.starts_at DESC LIMIT 1)`;

/**
 * Columns `paidMinor` and `known` of a subscription `s`, for this plan and length. Each one reads
 * the rows of one subscription by an index. A refunded charge counts if no other one is left.
 */
export const selectKnownPrices = (plan: RawBuilder<unknown>, days: RawBuilder<unknown>) => sql`
  coalesce(${selectLastPaid(plan, days, 'NULL')}, ${selectLastPaid(plan, days, 'NOT NULL')}) AS "paidMinor",
  (SELECT json_agg(json_build_array(k.amount_minor::text, k.source,
      (extract(epoch FROM k.known_at) * 1000)::bigint) ORDER BY k.id)
   FROM perennial.known_price k
   WHERE k.subscription_id = s.id AND k.plan = ${plan} AND k.period_days = ${days}) AS known`;

/** The columns as the driver returns them. */
export interface KnownPriceRow {
  readonly paidMinor: bigint | null;
  readonly known: readonly (readonly [string, KnownPriceSource, Instant])[] | null;
}

const noPrices: readonly KnownPrice[] = [];

export const toKnownPrices = ({ paidMinor, known }: KnownPriceRow): KnownPrices => ({
  paidMinor,
  known:
    known?.map(([amount, source, knownAt]) => ({
      amountMinor: BigInt(amount),
      source,
      knownAt,
    })) ?? noPrices,
});

/** Reads the amounts that the customer knows for one plan and length of a subscription. */
export async function readKnownPrices(
  tx: Tx,
  id: SubscriptionId,
  plan: string,
  periodDays: number,
): Promise<KnownPrices> {
  const { rows } = await sql<KnownPriceRow>`
    SELECT ${selectKnownPrices(sql`${plan}`, sql`${periodDays}::int`)}
    FROM perennial.subscription s WHERE s.id = ${id}`.execute(tx);
  return toKnownPrices(rows[0] as KnownPriceRow);
}

/** A subscription with the plan and length of the price. */
export interface PricedSubscription {
  readonly customerId: CustomerId;
  readonly subscriptionId: SubscriptionId;
  readonly plan: string;
  readonly periodDays: number;
}

/** Stores the amount that answered the customer's own choice. It replaces all known amounts. */
export async function writeChosenPrice(
  tx: Tx,
  { customerId, subscriptionId, plan, periodDays }: PricedSubscription,
  amountMinor: bigint,
  now: Instant,
): Promise<void> {
  await sql`
    DELETE FROM perennial.known_price WHERE subscription_id = ${subscriptionId}
      AND plan = ${plan} AND period_days = ${periodDays}`.execute(tx);
  await sql`
    INSERT INTO perennial.known_price (customer_id, subscription_id, plan, period_days,
      amount_minor, source, known_at)
    VALUES (${customerId}, ${subscriptionId}, ${plan}, ${periodDays}, ${amountMinor}, 'choice',
      ${isoTime(now)})`.execute(tx);
}

/** Stores the first terms of subscriptions, unless an amount is known already. */
export async function writeFirstPrices(
  tx: Tx,
  priced: readonly (PricedSubscription & { readonly amountMinor: bigint })[],
  now: Instant,
): Promise<void> {
  if (priced.length === 0) return;
  await sql`
    INSERT INTO perennial.known_price (customer_id, subscription_id, plan, period_days,
      amount_minor, source, known_at)
    SELECT priced.customer_id, s.id, priced.plan, priced.period_days, priced.amount_minor, 'terms',
      ${isoTime(now)}::timestamptz
    FROM ${unnest('priced', priced, {
      customer_id: ['bigint', (row) => row.customerId],
      subscription_id: ['bigint', (row) => row.subscriptionId],
      plan: ['text', (row) => row.plan],
      period_days: ['int', (row) => row.periodDays],
      amount_minor: ['bigint', (row) => row.amountMinor],
    })}
    JOIN perennial.subscription s ON s.id = priced.subscription_id
    WHERE NOT EXISTS (SELECT FROM perennial.known_price k
        WHERE k.subscription_id = s.id AND k.plan = priced.plan
          AND k.period_days = priced.period_days)
      AND ${isUnnotified(sql`priced.plan`, sql`priced.period_days`)}`.execute(tx);
}

/** The customer was notified of no amount for this plan and length of `s`, and paid none. */
const isUnnotified = (plan: RawBuilder<unknown>, days: RawBuilder<unknown>) => sql`
  NOT EXISTS (SELECT FROM perennial.known_price k
    WHERE k.subscription_id = s.id AND k.plan = ${plan} AND k.period_days = ${days}
      AND k.source <> 'terms')
  AND NOT EXISTS (SELECT FROM perennial.period p
    WHERE p.subscription_id = s.id AND p.ledger_entry_id IS NOT NULL AND p.plan = ${plan}
      AND ${periodLength} = ${days})`;

/** Kinds whose text names a price of a renewal, with the parameter of that price. */
const priceParams: Readonly<Record<string, string>> = {
  price_change: 'new_price',
  renewal_ahead: 'price',
  low_balance: 'price',
};

export const hasPriceParam = (kind: string): boolean => Object.hasOwn(priceParams, kind);

/** The amount in minor units that a notification of such a kind names. */
export const parseNotifiedPrice = (kind: string, params: NoticeParams): bigint =>
  BigInt(String(params[priceParams[kind] ?? 'price']).replace('.', ''));

/**
 * Stores the amount of a notification when it is sent. A new price replaces larger amounts of
 * earlier notifications. The other kinds name the charge of the renewal, so they count only for a
 * customer who was notified of no amount before.
 */
export async function writeNotifiedPrice(tx: Tx, notice: bigint, kind: string, now: Instant) {
  const isChange = kind === 'price_change';
  const amount = sql`replace(n.params->>${priceParams[kind] ?? 'price'}::text, '.', '')::bigint`;
  const plan = sql`(n.params->>'plan')`;
  const days = sql`(n.params->>'period_days')::int`;
  if (isChange) {
    await sql`
      DELETE FROM perennial.known_price k USING perennial.notification n
      WHERE n.id = ${notice} AND k.subscription_id = n.subscription_id AND k.source = 'message'
        AND k.plan = ${plan} AND k.period_days = ${days} AND k.amount_minor >= ${amount}`.execute(
      tx,
    );
  }
  await sql`
    INSERT INTO perennial.known_price (customer_id, subscription_id, plan, period_days,
      amount_minor, source, known_at)
    SELECT s.customer_id, s.id, ${plan}, ${days}, ${amount}, 'message', ${isoTime(now)}::timestamptz
    FROM perennial.notification n JOIN perennial.subscription s ON s.id = n.subscription_id
    WHERE n.id = ${notice} AND EXISTS (SELECT FROM perennial.plan WHERE key = ${plan})
      AND ${isChange ? sql`true` : isUnnotified(plan, days)}`.execute(tx);
}

/** Deletes amounts that a payment replaces: those for its plan and length that counted by then. */
export async function deletePaidPrices(
  tx: Tx,
  paid: readonly Omit<PricedSubscription, 'customerId'>[],
  now: Instant,
  noticeMs: number,
): Promise<void> {
  if (paid.length === 0) return;
  await sql`
    DELETE FROM perennial.known_price k
    USING ${unnest('paid', paid, {
      id: ['bigint', (row) => row.subscriptionId],
      plan: ['text', (row) => row.plan],
      period_days: ['int', (row) => row.periodDays],
    })}
    WHERE k.subscription_id = paid.id AND k.plan = paid.plan AND k.period_days = paid.period_days
      AND (k.source <> 'message' OR k.known_at <= ${isoTime(later(now, -noticeMs))})`.execute(tx);
}
