import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import type { SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import { anyOf } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import type { Instant } from '../../kernel/instant.ts';

/** A subscription and its customer. */
export interface PaidRow {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly telegramId: bigint;
  readonly currency: string;
  readonly timeZone: string;
  readonly kind: SubscriptionKind;
  readonly state: SubscriptionState;
  readonly isBlocked: boolean;
  readonly expiresAt: Instant;
  readonly remindAt: Instant | null;
  readonly runningPlan: string;
  readonly runningDays: number;
  /** The plan of the next period. */
  readonly plan: string;
  readonly periodDays: number;
}

/**
 * A separate statement after the lock of the customers, so that it reads commits during the search
 * and the lock.
 */
export async function readPaidRows(
  tx: Tx,
  items: readonly { readonly subscriptionId: SubscriptionId }[],
): Promise<PaidRow[]> {
  const ids = items.map((item) => item.subscriptionId);
  const { rows } = await sql<PaidRow>`
    SELECT s.id AS "subscriptionId", c.id AS "customerId", c.telegram_id AS "telegramId",
      c.currency, c.time_zone AS "timeZone",
      c.blocked_at IS NOT NULL AS "isBlocked", s.kind, s.state,
      s.expires_at AS "expiresAt", s.remind_at AS "remindAt",
      s.plan AS "runningPlan", s.period_days AS "runningDays",
      coalesce(s.next_plan, s.plan) AS plan,
      coalesce(s.next_period_days, s.period_days) AS "periodDays"
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.id = ${anyOf('bigint', ids)} ORDER BY s.customer_id, s.id`.execute(tx);
  return rows;
}
