import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import type { TrialFacts } from './rule.ts';

/** The input of the rule for one trial, and the content of its notification. */
export interface TrialReminderFacts extends TrialFacts {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly telegramId: bigint;
  readonly currency: string;
  readonly plan: string;
}

/**
 * The facts of these trials, in a separate statement after the lock of the customers. So it reads a
 * purchase that committed during the search and the lock (matrix T1).
 */
export async function readTrialFacts(
  tx: Tx,
  items: readonly { readonly subscriptionId: SubscriptionId }[],
  now: Instant,
): Promise<TrialReminderFacts[]> {
  const ids = items.map((item) => item.subscriptionId);
  const { rows } = await sql<TrialReminderFacts>`
    SELECT s.id AS "subscriptionId", s.customer_id AS "customerId",
      c.telegram_id AS "telegramId", c.currency, c.time_zone AS "timeZone",
      c.blocked_at IS NOT NULL AS "isBlocked", s.kind, s.state, s.plan,
      s.started_at AS "startedAt", s.expires_at AS "expiresAt", s.remind_at AS "remindAt",
      EXISTS (SELECT FROM perennial.subscription paid
        WHERE paid.customer_id = s.customer_id AND paid.kind = 'paid' AND paid.state = 'active'
          AND paid.expires_at > ${isoTime(now)}) AS "hasPaid"
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.id = ${anyOf('bigint', ids)} ORDER BY s.customer_id, s.id`.execute(tx);
  return rows;
}
