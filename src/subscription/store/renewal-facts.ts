import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { anyOf, unnest } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { dayMs, type Instant, later } from '../../kernel/instant.ts';
import type { RenewalFacts } from '../rules/renewal.ts';
import type { Settings } from '../rules/settings.ts';
import { type KnownPriceRow, selectKnownPrices, toKnownPrices } from './known-prices.ts';
import type { PriceList } from './prices.ts';

// The facts of the renewal rule, for auto-renewal and for fast-expiry-cleanup.

/** The facts of one subscription for the rule, and for the statements that write its renewal. */
export interface SubscriptionRenewalFacts extends RenewalFacts {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly telegramId: bigint;
  readonly currency: string;
  /** The plan of the next period: `next_plan`, else the present one. */
  readonly plan: string;
  readonly currentPlan: string;
  /** When the next period with other terms starts. */
  readonly changesAt: Instant | null;
}

type RenewalFactsRow = Omit<
  SubscriptionRenewalFacts,
  'listMinor' | 'lastStartsAt' | 'inTimeMinor' | 'prices'
> &
  KnownPriceRow;

type InTimeRow = Pick<
  SubscriptionRenewalFacts,
  'subscriptionId' | 'customerId' | 'balanceMinor' | 'state' | 'expiresAt'
>;

/** The terms of the next renewal of a subscription `s`. */
export const nextPlan = sql`coalesce(s.next_plan, s.plan)`;
export const nextDays = sql`coalesce(s.next_period_days, s.period_days)`;

/**
 * Reads the facts in a separate statement after the lock of the customers, so it reads what a
 * purchase or top-up committed meanwhile (rule 2). The order is by customer, so that new rows lie
 * together in tables and indexes (5% of the time of a run). Within a customer it is by end, the
 * order in which the balance is spent.
 */
export async function readRenewalFacts(
  tx: Tx,
  items: readonly { readonly subscriptionId: SubscriptionId }[],
  context: { readonly prices: PriceList; readonly now: Instant; readonly settings: Settings },
): Promise<SubscriptionRenewalFacts[]> {
  const ids = items.map((item) => item.subscriptionId);
  const { rows } = await sql<RenewalFactsRow>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId",
      c.telegram_id AS "telegramId", c.currency, c.balance_minor AS "balanceMinor", c.vip,
      c.discount_percent AS "discountPercent", c.blocked_at IS NOT NULL AS "isBlocked", s.kind, s.state, s.auto_renew AS "autoRenew",
      s.expires_at AS "expiresAt", s.next_try_at AS "nextTryAt", s.woken_at AS "wokenAt", s.plan AS "currentPlan",
      s.changes_at AS "changesAt",
      coalesce(s.next_plan, s.plan) AS plan,
      coalesce(s.next_period_days, s.period_days) AS "periodDays",
      ${selectKnownPrices(nextPlan, nextDays)}
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.id = ${anyOf('bigint', ids)}
    ORDER BY s.customer_id, s.expires_at, s.id`.execute(tx);
  const starts = await readLastStarts(tx, rows, context.now);
  const inTimeBalances = await readInTimeBalances(tx, rows, context.now, context.settings);
  return rows.map(({ paidMinor, known, ...row }) => ({
    ...row,
    lastStartsAt: starts.get(row.subscriptionId) ?? null,
    inTimeMinor: inTimeBalances.get(row.subscriptionId) ?? null,
    prices: toKnownPrices({ paidMinor, known }),
    listMinor: context.prices.getMinor(row.plan, row.periodDays, row.currency),
  }));
}

/**
 * The starts of last periods that may be in the future. A period lasts at least a day, so the last
 * one has begun if it ends within a day. With the usual window no row is read.
 */
async function readLastStarts(
  tx: Tx,
  rows: readonly RenewalFactsRow[],
  now: Instant,
): Promise<ReadonlyMap<SubscriptionId, Instant>> {
  const far = rows.filter((row) => row.expiresAt > later(now, dayMs));
  if (far.length === 0) return new Map();
  const ids = far.map((row) => row.subscriptionId);
  const { rows: last } = await sql<{ id: SubscriptionId; at: Instant }>`
    SELECT p.subscription_id AS id, max(p.starts_at) AS at FROM perennial.period p
    WHERE p.subscription_id = ${anyOf('bigint', ids)} AND p.refunded_at IS NULL
    GROUP BY p.subscription_id`.execute(tx);
  return new Map(last.map(({ id, at }) => [id, at]));
}

/**
 * The balances at the end of the days of revival, without the charges since then: the present
 * balance without the credits since then. Only a run after these days needs them, so usually no row
 * is read. The ledger of a customer is read once, for all of their subscriptions.
 */
export async function readInTimeBalances(
  tx: Tx,
  rows: readonly InTimeRow[],
  now: Instant,
  { reviveMs }: Pick<Settings, 'reviveMs'>,
): Promise<ReadonlyMap<SubscriptionId, bigint>> {
  const late = rows.filter(
    ({ state, expiresAt }) => state === 'expired' && later(expiresAt, reviveMs) < now,
  );
  if (late.length === 0) return new Map();
  const ends = unnest('late', late, {
    id: ['bigint', (row) => row.subscriptionId],
    customer_id: ['bigint', (row) => row.customerId],
    balance_minor: ['bigint', (row) => row.balanceMinor],
    until: ['timestamptz', (row) => later(row.expiresAt, reviveMs)],
  });
  const { rows: found } = await sql<{ id: SubscriptionId; minor: bigint }>`
    WITH late AS MATERIALIZED (SELECT * FROM ${ends}),
    step AS (
      SELECT id, customer_id, until AS at, balance_minor, 0 AS credit_minor FROM late
      UNION ALL
      SELECT NULL, e.customer_id, e.created_at, NULL, e.amount_minor
      FROM (SELECT customer_id, min(until) AS until FROM late GROUP BY customer_id) first
      JOIN perennial.ledger_entry e ON e.customer_id = first.customer_id
        AND e.created_at > first.until
      WHERE e.amount_minor > 0
    ), summed AS (
      SELECT id, balance_minor, sum(credit_minor) OVER (PARTITION BY customer_id ORDER BY at DESC
        GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS credits_minor
      FROM step
    )
    SELECT id, (balance_minor - coalesce(credits_minor, 0))::bigint AS minor
    FROM summed WHERE id IS NOT NULL`.execute(tx);
  return new Map(found.map(({ id, minor }) => [id, minor]));
}

/**
 * Sets the next attempt. Until then, or until a change raises the balance, the subscription is not
 * due.
 */
export async function postponeRenewals(
  tx: Tx,
  rows: readonly { readonly subscriptionId: SubscriptionId; readonly nextTryAt: Instant }[],
): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    UPDATE perennial.subscription s SET next_try_at = later.at
    FROM ${unnest('later', rows, {
      id: ['bigint', (row) => row.subscriptionId],
      at: ['timestamptz', (row) => row.nextTryAt],
    })}
    WHERE s.id = later.id`.execute(tx);
}
