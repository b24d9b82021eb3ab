import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import type { SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import { anyOf } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import type { Instant } from '../../kernel/instant.ts';

/** A subscription, its customer, and what was charged for its last period. */
export interface PaidRow {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly telegramId: bigint;
  readonly currency: string;
  readonly timeZone: string;
  readonly kind: SubscriptionKind;
  readonly state: SubscriptionState;
  readonly expiresAt: Instant;
  readonly remindAt: Instant | null;
  readonly runningPlan: string;
  readonly runningDays: number;
  /** Of the period to come. */
  readonly plan: string;
  readonly periodDays: number;
  readonly paidPlan: string | null;
  readonly paidFrom: Instant | null;
  readonly paidUntil: Instant | null;
  readonly paidMinor: bigint | null;
}

/**
 * In a statement of its own after the customers were locked, so that what committed while we found
 * and locked is seen.
 */
export async function readPaid(
  tx: Tx,
  items: readonly { readonly subscriptionId: SubscriptionId }[],
): Promise<PaidRow[]> {
  const ids = items.map((item) => item.subscriptionId);
  const { rows } = await sql<PaidRow>`
    SELECT s.id AS "subscriptionId", c.id AS "customerId", c.telegram_id AS "telegramId",
      c.currency, c.time_zone AS "timeZone", s.kind, s.state,
      s.expires_at AS "expiresAt", s.remind_at AS "remindAt",
      s.plan AS "runningPlan", s.period_days AS "runningDays",
      coalesce(s.next_plan, s.plan) AS plan,
      coalesce(s.next_period_days, s.period_days) AS "periodDays",
      paid.plan AS "paidPlan", paid.starts_at AS "paidFrom", paid.ends_at AS "paidUntil",
      paid.amount_minor AS "paidMinor"
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    LEFT JOIN LATERAL (
      SELECT p.plan, p.starts_at, p.ends_at, p.amount_minor FROM perennial.period p
      WHERE p.subscription_id = s.id AND p.refunded_at IS NULL AND p.ledger_entry_id IS NOT NULL
      ORDER BY p.starts_at DESC LIMIT 1) paid ON true
    WHERE s.id = ${anyOf('bigint', ids)} ORDER BY s.customer_id, s.id`.execute(tx);
  return rows;
}
