import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import type { SubscriptionKind, SubscriptionState } from '../db/schema.ts';
import { anyOf } from '../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { dayMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import { unreachablePrefix } from '../outbox/kinds.ts';
import type { Settings } from '../subscription/rules/settings.ts';
import type { TermPeriod } from '../subscription/rules/terms.ts';
import { type KnownPriceRow, selectKnownPrices } from '../subscription/store/known-prices.ts';
import { readPeriodsAtChange } from '../subscription/store/periods.ts';
import { nextDays, nextPlan } from '../subscription/store/renewal-facts.ts';
import type { QuarantineState } from './customer-state.ts';
import { type DatedPrice, DatedPrices } from './dated-prices.ts';
import type { DueReview, NoticeReader, SimulatedNotice } from './outbox.ts';

// The SQL that reads the facts of a forecast, page by page, in one snapshot.

export async function readDatedPrices(tx: Tx): Promise<DatedPrices> {
  const { rows } = await sql<DatedPrice>`
    SELECT plan, period_days AS "periodDays", currency, valid_from AS "validFrom",
      amount_minor AS "amountMinor"
    FROM perennial.plan_price`.execute(tx);
  return new DatedPrices(rows);
}

/** The keys of all plans, also of those that are not on sale: their customers are renewed. */
export async function readPlanKeys(db: Db): Promise<string[]> {
  const { rows } = await sql<{ key: string }>`
    SELECT key FROM perennial.plan ORDER BY key`.execute(db);
  return rows.map((row) => row.key);
}

export async function readDueReviews(tx: Tx): Promise<DueReview[]> {
  const { rows } = await sql<DueReview>`
    SELECT plan, period_days AS "periodDays", currency FROM perennial.price_review`.execute(tx);
  return rows;
}

/** The items of a worker in quarantine, by the id of their subscription. */
export async function readQuarantineStates(
  tx: Tx,
  worker: 'auto-renewal' | 'fast-expiry-cleanup',
): Promise<ReadonlyMap<string, QuarantineState>> {
  const { rows } = await sql<QuarantineState & { readonly item: string }>`
    SELECT item, attempts, retry_at AS "retryAt" FROM perennial.quarantine
    WHERE worker = ${worker}`.execute(tx);
  return new Map(rows.map(({ item, ...state }) => [item, state]));
}

/** A subscription of a page, with its customer. */
export interface CustomerSubscriptionRow extends KnownPriceRow {
  readonly customerId: CustomerId;
  readonly telegramId: bigint;
  readonly currency: string;
  readonly balanceMinor: bigint;
  readonly vip: boolean;
  readonly discountPercent: number;
  readonly isBlocked: boolean;
  readonly subscriptionId: SubscriptionId;
  readonly kind: SubscriptionKind;
  readonly state: SubscriptionState;
  readonly autoRenew: boolean;
  readonly plan: string;
  readonly periodDays: number;
  readonly nextPlan: string;
  readonly nextPeriodDays: number;
  readonly expiresAt: Instant;
  readonly nextTryAt: Instant | null;
  readonly remindAt: Instant | null;
  readonly changesAt: Instant | null;
  readonly wokenAt: Instant | null;
  readonly lastStartsAt: Instant | null;
}

/** The customers of a page, and the end of the page. */
export interface CustomerPage {
  /** By customer, then by subscription. */
  readonly rows: readonly CustomerSubscriptionRow[];
  /** undefined: this was the last page. */
  readonly lastId: CustomerId | undefined;
}

export interface CustomerPageRequest {
  readonly after: CustomerId | undefined;
  /** Customers per page. */
  readonly max: number;
  readonly until: Instant;
  readonly settings: Settings;
}

/**
 * Reads the subscriptions of the next customers that can be charged or end before `until`: active
 * ones, and expired ones that a payment has made due.
 */
export async function readCustomerPage(
  tx: Tx,
  request: CustomerPageRequest,
): Promise<CustomerPage> {
  const { after, max, until, settings } = request;
  const { rows: bounds } = await sql<{ lastId: CustomerId | null; count: bigint }>`
    SELECT max(id) AS "lastId", count(*) AS count FROM (
      SELECT id FROM perennial.customer WHERE id > ${after ?? 0n} ORDER BY id LIMIT ${max}) page`.execute(
    tx,
  );
  const { lastId, count } = bounds[0] as { lastId: CustomerId | null; count: bigint };
  if (lastId === null) return { rows: [], lastId: undefined };
  // A last period begins in the future only if renewals are due over a day before the end.
  const lastStart =
    settings.windowMs > dayMs
      ? sql`(SELECT max(p.starts_at) FROM perennial.period p
          WHERE p.subscription_id = s.id AND p.refunded_at IS NULL)`
      : sql`NULL::timestamptz`;
  const { rows } = await sql<CustomerSubscriptionRow>`
    SELECT c.id AS "customerId", c.telegram_id AS "telegramId", c.currency,
      c.balance_minor AS "balanceMinor", c.vip, c.discount_percent AS "discountPercent",
      c.blocked_at IS NOT NULL AS "isBlocked", s.id AS "subscriptionId",
      s.kind, s.state, s.auto_renew AS "autoRenew", s.plan, s.period_days AS "periodDays",
      ${nextPlan} AS "nextPlan", ${nextDays} AS "nextPeriodDays", s.expires_at AS "expiresAt",
      s.next_try_at AS "nextTryAt", s.remind_at AS "remindAt", s.changes_at AS "changesAt",
      s.woken_at AS "wokenAt", ${lastStart} AS "lastStartsAt", price."paidMinor", price.known
    FROM perennial.customer c JOIN perennial.subscription s ON s.customer_id = c.id
    LEFT JOIN LATERAL (SELECT ${selectKnownPrices(nextPlan, nextDays)}) price
      ON s.kind = 'paid' AND s.auto_renew
    WHERE c.id > ${after ?? 0n} AND c.id <= ${lastId}
      AND s.expires_at < ${isoTime(later(until, settings.windowMs))}
      AND (s.state = 'active'
        OR s.state = 'expired' AND s.kind = 'paid' AND s.auto_renew AND s.next_try_at IS NULL)
    ORDER BY c.id, s.id`.execute(tx);
  return { rows, lastId: count < BigInt(max) ? undefined : lastId };
}

/** The readers of notifications by customer, and the periods of subscriptions that change terms. */
export interface NoticeFactsOfPage {
  readonly readers: ReadonlyMap<CustomerId, NoticeReader>;
  readonly periods: ReadonlyMap<SubscriptionId, readonly TermPeriod[]>;
}

interface ReaderRow {
  readonly id: CustomerId;
  readonly timeZone: string;
  readonly reachable: boolean;
  readonly failedAt: Instant | null;
}

/** @param changing the subscriptions with a change of terms */
export async function readNoticeFacts(
  tx: Tx,
  customers: readonly CustomerId[],
  changing: readonly SubscriptionId[],
  now: Instant,
): Promise<NoticeFactsOfPage> {
  const { rows } = await sql<ReaderRow>`
    SELECT c.id, c.time_zone AS "timeZone", c.reachable,
      (SELECT max(f.sending_since) FROM perennial.notification f
        WHERE NOT c.reachable AND f.customer_id = c.id AND (f.state = 'failed'
          OR f.state = 'pending' AND f.reason LIKE ${`${unreachablePrefix}%`})) AS "failedAt"
    FROM perennial.customer c WHERE c.id = ${anyOf('bigint', customers)}`.execute(tx);
  const stored = await readStoredNotices(tx, customers, now);
  const readers = rows.map(({ id, ...reader }): [CustomerId, NoticeReader] => [
    id,
    { ...reader, stored: stored.get(id) ?? [] },
  ]);
  const periods = changing.length === 0 ? new Map() : await readPeriodsAtChange(tx, changing);
  return { readers: new Map(readers), periods };
}

interface StoredNoticeRow extends SimulatedNotice {
  readonly customerId: CustomerId;
}

/** Notifications about ends that are in the future. Reads `notification_about_end`. */
async function readStoredNotices(
  tx: Tx,
  customers: readonly CustomerId[],
  now: Instant,
): Promise<Map<CustomerId, SimulatedNotice[]>> {
  const { rows } = await sql<StoredNoticeRow>`
    SELECT n.customer_id AS "customerId", n.subscription_id AS "subscriptionId", n.kind,
      n.dedupe_key AS "dedupeKey", n.params, n.created_at AS "createdAt", n.state,
      n.next_attempt_at AS "nextAttemptAt", n.sending_since AS "sendingSince"
    FROM perennial.subscription s JOIN perennial.notification n ON n.subscription_id = s.id
    WHERE s.customer_id = ${anyOf('bigint', customers)} AND s.state = 'active'
      AND s.expires_at > ${isoTime(now)} AND s.kind = 'paid' AND s.auto_renew
      AND n.kind IN ('low_balance', 'ends_3d', 'ends_24h', 'ends_3h', 'trial_6h', 'trial_48h',
        'trial_ending', 'price_withdrawn', 'price_change', 'renewal_ahead')
      AND (n.params->>'expires_at')::timestamptz = s.expires_at
    ORDER BY n.customer_id, n.id`.execute(tx);
  return Map.groupBy(rows, ({ customerId }) => customerId);
}
