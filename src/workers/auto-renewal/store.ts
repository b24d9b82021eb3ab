import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { anyOf, unnest } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime, later } from '../../kernel/instant.ts';
import type { RenewalFacts } from '../../subscription/renewal.ts';
import type { Cursor, Found, Moment, Pass } from '../worker.ts';

/** Rows after the cursor, in the order of an index that ends in the id. */
function afterCursor(column: string, cursor: Cursor | undefined): RawBuilder<unknown> {
  if (cursor === undefined) return sql`true`;
  return sql`(${sql.ref(column)}, s.id) > (${isoTime(cursor.at)}::timestamptz, ${cursor.id}::bigint)`;
}

interface FoundRow {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly at: Instant;
}

const foundOf = (row: FoundRow): Found => ({
  subscriptionId: row.subscriptionId,
  customerId: row.customerId,
  key: { at: row.at, id: row.subscriptionId },
});

/**
 * Never tried for this period, in the order of their end. Unlocked: it only says where to look.
 * Reads `subscription_due`, which holds what is due and what will be, so a page costs its own rows.
 */
export const findDue: Pass = async (tx, { now, settings }, { after, max, skip }) => {
  const { rows } = await sql<FoundRow>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId", s.expires_at AS at
    FROM perennial.subscription s
    WHERE s.kind = 'paid' AND s.auto_renew AND s.next_try_at IS NULL
      AND s.state IN ('active', 'expired')
      AND s.expires_at <= ${isoTime(later(now, settings.windowMs))}
      AND ${afterCursor('s.expires_at', after)} AND ${notHeld(skip)}
    ORDER BY s.expires_at, s.id LIMIT ${max}`.execute(tx);
  return rows.map(foundOf);
};

/** Tried, short of money, and to be tried again now. Reads `subscription_retry`. */
export const findRetries: Pass = async (tx, { now }, { after, max, skip }) => {
  const { rows } = await sql<FoundRow>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId", s.next_try_at AS at
    FROM perennial.subscription s
    WHERE s.kind = 'paid' AND s.auto_renew AND s.next_try_at IS NOT NULL AND s.state = 'active'
      AND s.next_try_at <= ${isoTime(now)}
      AND ${afterCursor('s.next_try_at', after)} AND ${notHeld(skip)}
    ORDER BY s.next_try_at, s.id LIMIT ${max}`.execute(tx);
  return rows.map(foundOf);
};

function notHeld(skip: readonly string[]): RawBuilder<unknown> {
  if (skip.length === 0) return sql`true`;
  return sql`NOT (s.id = ${anyOf('bigint', skip.map(BigInt))})`;
}

/** What the rule reads of one subscription, and what its renewal writes. */
export interface Facts extends RenewalFacts {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly telegramId: bigint;
  readonly currency: string;
  /** Of the next period: `next_plan` where one was chosen. */
  readonly plan: string;
  readonly currentPlan: string;
}

type FactsRow = Omit<Facts, 'listMinor'>;

/**
 * The facts of these subscriptions, in a statement of its own after the customers were locked:
 * what a purchase or a top-up committed while we found and locked is seen (DESIGN.md 3.2).
 * In order of their end, so that a customer's balance is spent in that order.
 */
export async function readFacts(
  tx: Tx,
  items: readonly Pick<Found, 'subscriptionId'>[],
  moment: Moment,
): Promise<Facts[]> {
  const ids = items.map((item) => item.subscriptionId);
  const { rows } = await sql<FactsRow>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId",
      c.telegram_id AS "telegramId", c.currency, c.balance_minor AS "balanceMinor", c.vip,
      c.discount_percent AS "discountPercent", s.kind, s.state, s.auto_renew AS "autoRenew",
      s.expires_at AS "expiresAt", s.next_try_at AS "nextTryAt", s.plan AS "currentPlan",
      coalesce(s.next_plan, s.plan) AS plan,
      coalesce(s.next_period_days, s.period_days) AS "periodDays"
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.id = ${anyOf('bigint', ids)}
    ORDER BY s.expires_at, s.id`.execute(tx);
  return rows.map((row) => ({
    ...row,
    listMinor: moment.prices.of(row.plan, row.periodDays, row.currency),
  }));
}

/** When to try again; out of the due index until then, or until something raises the balance. */
export async function postpone(
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
