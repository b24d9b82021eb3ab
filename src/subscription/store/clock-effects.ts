import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import type { CustomerId, PeriodId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime, later } from '../../kernel/instant.ts';

// The effects of a clock that ran ahead until it was corrected. Only a wrong clock leaves such
// rows:
//
// 1. An early charge: a renewal with a time in the future, of a period that starts later than
//    `renewal.window` from now.
// 2. An early end: a subscription that fast-expiry-cleanup ended, and that ends in the future.
// 3. A sale at a wrong time: a purchase, trial or grant with a time in the future. Its period
//    starts at the wrong time or after it.

export interface EarlyCharge {
  readonly periodId: PeriodId;
  readonly subscriptionId: SubscriptionId;
  readonly telegramId: bigint;
  readonly amountMinor: bigint;
  readonly currency: string;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  /** By the wrong clock. */
  readonly chargedAt: Instant;
  /** A later period that is no early charge. It has to be refunded first. */
  readonly followedBy: PeriodId | null;
}

export interface EarlyEnd {
  readonly subscriptionId: SubscriptionId;
  readonly telegramId: bigint;
  readonly plan: string;
  readonly expiresAt: Instant;
  /** By the wrong clock. */
  readonly endedAt: Instant;
}

export interface WrongSale {
  readonly kind: 'purchase' | 'trial' | 'grant';
  readonly periodId: PeriodId;
  readonly subscriptionId: SubscriptionId;
  readonly telegramId: bigint;
  readonly plan: string;
  readonly amountMinor: bigint;
  readonly currency: string;
  readonly startsAt: Instant;
  readonly endsAt: Instant;
  /** By the wrong clock. */
  readonly soldAt: Instant;
}

const matchesCustomer = (column: string, customer: CustomerId | undefined) =>
  customer === undefined ? sql`true` : sql`${sql.ref(column)} = ${customer}`;

/** Reads the last charge first, which is the order of refunds. */
export async function readEarlyCharges(
  db: Db | Tx,
  now: Instant,
  windowMs: number,
  customer?: CustomerId,
): Promise<EarlyCharge[]> {
  const { rows } = await sql<EarlyCharge>`
    SELECT p.id AS "periodId", p.subscription_id AS "subscriptionId",
      c.telegram_id AS "telegramId", p.amount_minor AS "amountMinor", p.currency,
      p.starts_at AS "startsAt", p.ends_at AS "endsAt", e.created_at AS "chargedAt",
      (SELECT next.id FROM perennial.period next
        LEFT JOIN perennial.ledger_entry paid ON paid.id = next.ledger_entry_id
          AND paid.customer_id = next.customer_id
        WHERE next.subscription_id = p.subscription_id AND next.refunded_at IS NULL
          AND next.starts_at > p.starts_at
          AND NOT coalesce(next.source = 'renewal' AND paid.created_at > ${isoTime(now)}, false)
        ORDER BY next.starts_at DESC LIMIT 1) AS "followedBy"
    FROM perennial.period p JOIN perennial.customer c ON c.id = p.customer_id
    JOIN perennial.ledger_entry e ON e.customer_id = p.customer_id AND e.id = p.ledger_entry_id
    WHERE p.source = 'renewal' AND p.refunded_at IS NULL AND ${matchesCustomer('p.customer_id', customer)}
      AND p.starts_at > ${isoTime(later(now, windowMs))} AND e.created_at > ${isoTime(now)}
    ORDER BY c.telegram_id, p.subscription_id, p.starts_at DESC`.execute(db);
  return rows;
}

export async function readEarlyEnds(
  db: Db | Tx,
  now: Instant,
  customer?: CustomerId,
): Promise<EarlyEnd[]> {
  const { rows } = await sql<EarlyEnd>`
    SELECT s.id AS "subscriptionId", c.telegram_id AS "telegramId", s.plan,
      s.expires_at AS "expiresAt", ended.at AS "endedAt"
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    CROSS JOIN LATERAL (
      SELECT e.at, e.actor FROM perennial.event e
      WHERE e.customer_id = s.customer_id AND e.subject = 'subscription:' || s.id
        AND e.action = 'expired'
      ORDER BY e.id DESC LIMIT 1) ended
    WHERE s.state = 'expired' AND s.expires_at > ${isoTime(now)}
      AND ended.actor = 'fast-expiry-cleanup' AND ${matchesCustomer('s.customer_id', customer)}
    ORDER BY c.telegram_id, s.id`.execute(db);
  return rows;
}

/** Reads sales whose period ends after the wrong time, so after now. */
export async function readWrongSales(db: Db | Tx, now: Instant): Promise<WrongSale[]> {
  const { rows } = await sql<WrongSale>`
    SELECT p.source AS kind, p.id AS "periodId", p.subscription_id AS "subscriptionId",
      c.telegram_id AS "telegramId", p.plan, p.amount_minor AS "amountMinor", p.currency,
      p.starts_at AS "startsAt", p.ends_at AS "endsAt", sold.at AS "soldAt"
    FROM perennial.period p JOIN perennial.customer c ON c.id = p.customer_id
    CROSS JOIN LATERAL (
      SELECT e.created_at AS at FROM perennial.ledger_entry e
      WHERE e.customer_id = p.customer_id AND e.id = p.ledger_entry_id
      UNION ALL
      (SELECT v.at FROM perennial.event v
      WHERE p.ledger_entry_id IS NULL AND v.customer_id = p.customer_id
        AND v.subject = 'subscription:' || p.subscription_id
        AND (v.action = 'trial_started' AND p.source = 'trial'
          OR v.action = 'granted' AND p.source = 'grant' AND (v.detail->>'ends_at')::timestamptz
            = p.ends_at + coalesce(p.moved_from - p.starts_at, interval '0'))
      ORDER BY v.id DESC LIMIT 1)) sold
    WHERE p.source IN ('purchase', 'trial', 'grant') AND p.refunded_at IS NULL
      AND p.part_of IS NULL AND p.ends_at > ${isoTime(now)} AND sold.at > ${isoTime(now)}
    ORDER BY c.telegram_id, p.subscription_id, p.starts_at`.execute(db);
  return rows;
}
