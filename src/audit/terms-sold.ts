import { sql } from 'kysely';
import { formatCount } from '../kernel/count.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { moneyText } from '../kernel/money.ts';
import { defineCheck } from './check.ts';
import { isExplained, stepBackMax } from './times.ts';

// Promises 2 and 3, recomputed: the price, the length and the start of a charged period.
//
// `list_minor`, `discount_percent` and `period_days` are null in rows of older programs. Such rows
// are compared with the price list alone.

interface OfPeriod {
  readonly customer_id: bigint;
  readonly id: bigint;
}

const toRows = ({ id }: OfPeriod) => ({ period: [id] });

const price = sql`(p.list_minor * (100 - p.discount_percent) / 100)`;

export const isOtherPrice = sql`(p.ledger_entry_id IS NOT NULL AND (
  (p.list_minor IS NULL) <> (p.discount_percent IS NULL)
  OR p.amount_minor <> least(${price}, p.cap_minor)
  OR p.cap_minor IS NOT NULL AND p.source <> 'renewal'))`;

const amountIsItsPrice = defineCheck<
  OfPeriod & { amount: bigint; list: bigint | null; percent: number | null; cap: bigint | null }
>({
  id: 'amount-is-its-price',
  promise: 3,
  title: 'a charge is the list price less the discount, and no more than its cap',
  find: () => sql`
    SELECT p.customer_id, p.id, p.amount_minor AS amount, p.list_minor AS list,
      p.discount_percent AS percent, p.cap_minor AS cap
    FROM period p
    WHERE ${isOtherPrice}`,
  rows: toRows,
  describe: ({ id, amount, list, percent, cap, currency }) =>
    list === null || percent === null
      ? `period ${id} has only one of list price and discount`
      : `period ${id} cost ${moneyText(amount, currency)}; its list price is ${moneyText(list, currency)}, less ${percent}%${cap === null ? '' : `, at most ${moneyText(cap, currency)}`}`,
});

/** The length with which a charged period was sold. */
const days = sql`coalesce(p.period_days * interval '24 hours', p.ends_at - p.starts_at)`;

/** The prices with the time at which another one replaces each. */
export const datedPrices = sql`
  SELECT plan, currency, period_days, amount_minor, valid_from,
    lead(valid_from) OVER (PARTITION BY plan, currency, period_days ORDER BY valid_from) AS until
  FROM perennial.plan_price`;

/**
 * A price that was replaced before was no longer in force. Charges of a wrong time are excluded.
 */
export const replacedSince = sql`CASE WHEN ${sql.raw(isExplained('e.created_at'))}
  THEN '-infinity' ELSE e.created_at - ${stepBackMax} END`;

const priceWasOnSale = defineCheck<
  OfPeriod & { plan: string; starts_at: Instant; ends_at: Instant; amount: bigint }
>({
  id: 'price-was-on-sale',
  promise: 3,
  title: 'a charge follows from the price that its plan and length had then',
  find: () => sql`
    SELECT p.customer_id, p.id, p.plan, p.starts_at, p.ends_at,
      coalesce(p.list_minor, p.amount_minor) AS amount
    FROM period p
    JOIN ledger_entry e ON e.customer_id = p.customer_id AND e.id = p.ledger_entry_id
    WHERE e.kind = p.source AND NOT EXISTS (SELECT FROM (${datedPrices}) price
      WHERE price.plan = p.plan AND price.currency = p.currency
        AND price.period_days * interval '24 hours' = ${days}
        AND price.valid_from <= e.created_at + ${stepBackMax}
        AND (price.until IS NULL OR price.until >= ${replacedSince})
        AND CASE WHEN p.list_minor IS NULL THEN price.amount_minor >= p.amount_minor
          ELSE price.amount_minor = p.list_minor END)`,
  rows: toRows,
  describe: ({ id, plan, starts_at, ends_at, amount, currency }) =>
    `period ${id} was sold for ${moneyText(amount, currency)}, which plan ${plan} did not cost then, from ${isoTime(starts_at)} to ${isoTime(ends_at)}`,
});

/** Served parts of refunded periods have another length. */
export const isOtherLength = sql`(p.source <> 'import' AND p.part_of IS NULL
  AND p.ends_at - p.starts_at <> p.period_days * interval '24 hours')`;

const periodHasItsLength = defineCheck<
  OfPeriod & { days: number; starts_at: Instant; ends_at: Instant }
>({
  id: 'period-has-its-length',
  promise: 3,
  title: 'a period is as long as the days that were sold or given',
  find: () => sql`
      SELECT p.customer_id, p.id, p.period_days AS days, p.starts_at, p.ends_at
      FROM period p
      WHERE ${isOtherLength}`,
  rows: toRows,
  describe: ({ id, days: sold, starts_at, ends_at }) =>
    `period ${id} is for ${formatCount(sold, 'day')} and lasts from ${isoTime(starts_at)} to ${isoTime(ends_at)}`,
});

export const isEarly = sql`(p.source = 'renewal' AND e.kind = 'renewal'
  AND coalesce(p.moved_from, p.starts_at) > e.created_at + ${days} / 2 + ${stepBackMax})`;

/** A renewal charges at most one period ahead (`subscription/rules/renewal.ts`). */
const renewalIsNotEarly = defineCheck<OfPeriod & { charged_at: Instant; starts_at: Instant }>({
  id: 'renewal-is-not-early',
  promise: 2,
  title: 'a renewal is charged no earlier than half a period before its start',
  find: () => sql`
    SELECT p.customer_id, p.id, e.created_at AS charged_at, p.starts_at AS starts_at
    FROM period p
    JOIN ledger_entry e ON e.customer_id = p.customer_id AND e.id = p.ledger_entry_id
    WHERE ${isEarly}`,
  rows: toRows,
  describe: ({ id, charged_at, starts_at }) =>
    `period ${id} starts at ${isoTime(starts_at)} and was charged at ${isoTime(charged_at)}, a period too early`,
});

const periodFollows = defineCheck<OfPeriod & { subscription_id: bigint; starts_at: Instant }>({
  id: 'period-follows',
  promise: 3,
  title: 'a charged period starts where another one ends, or at its charge',
  find: () => sql`
    SELECT p.customer_id, p.id, p.subscription_id, p.starts_at
    FROM period p
    JOIN ledger_entry e ON e.customer_id = p.customer_id AND e.id = p.ledger_entry_id
    WHERE e.kind = p.source AND p.starts_at <> e.created_at AND p.moved_from IS NULL
      AND NOT EXISTS (SELECT FROM period before
        WHERE before.subscription_id = p.subscription_id AND before.ends_at = p.starts_at)
      AND NOT EXISTS (SELECT FROM subscription s
        WHERE s.id = p.subscription_id AND s.started_at = p.starts_at)`,
  rows: ({ id, subscription_id }) => ({ subscription: [subscription_id], period: [id] }),
  describe: ({ id, starts_at }) =>
    `period ${id} starts at ${isoTime(starts_at)}: no period ends there, and no charge was made then`,
});

export const chargeTimeChecks = [renewalIsNotEarly];
export const soldTermChecks = [amountIsItsPrice, priceWasOnSale, periodHasItsLength, periodFollows];
