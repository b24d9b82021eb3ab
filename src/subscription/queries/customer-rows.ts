import { type RawBuilder, sql } from 'kysely';
import { type OpenNode, selectOpenNodes } from '../../access/open-nodes.ts';
import { compileOnce } from '../../db/compiled-statement.ts';
import type { PeriodSource } from '../../db/schema.ts';
import type { CredentialId, CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import type { Instant } from '../../kernel/instant.ts';
import { defaultSettings } from '../rules/settings.ts';
import {
  type ForecastColumns,
  isForecast,
  selectForecastColumns,
} from '../store/forecast-facts.ts';

// The facts of a customer view in one statement: one round trip, and one snapshot without a
// transaction. A customer has a row for each subscription that is shown or has a forecast, and one
// row without a subscription.

/** Columns of the customer, and of what applies to all subscriptions. Each row has them. */
interface CustomerColumns {
  readonly customerId: CustomerId;
  readonly telegramId: bigint;
  readonly locale: string;
  readonly timeZone: string;
  readonly currency: string;
  readonly balanceMinor: bigint;
  readonly claimMinor: bigint;
  readonly vip: boolean;
  readonly discountPercent: number;
  readonly trialUsedAt: Instant | null;
  readonly blockedAt: Instant | null;
  readonly blockedReason: string | null;
  readonly reachable: boolean;
  readonly subToken: string;
  readonly createdAt: Instant;
  readonly total: bigint;
  readonly now: Instant;
  readonly vipPercent: number;
  readonly windowMs: bigint;
  readonly noticeMs: bigint;
  readonly reviveMs: bigint;
  /** Null: the time is trusted. */
  readonly suspectReason: string | null;
}

/** Columns of a subscription; all null for a customer without any. */
interface SubscriptionColumns extends ForecastColumns {
  readonly isShown: boolean;
  /** The present terms, and the chosen ones. */
  readonly presentPlan: string;
  readonly presentDays: number;
  readonly nextPlan: string | null;
  readonly nextDays: number | null;
  readonly plan: string;
  readonly startedAt: Instant;
  readonly nextTryAt: Instant | null;
  readonly wokenAt: Instant | null;
  readonly lastStartsAt: Instant | null;
  readonly quarantineReason: string | null;
  readonly quarantineRetryAt: Instant | null;
  /** Only of a shown one. */
  readonly credential: CredentialId | null;
  /** Only on request, of a shown one that is active. Null: there are none. */
  readonly openNodes: readonly Pick<OpenNode, 'node' | 'settings'>[] | null;
  /** Only of a shown one. Null: it has none. */
  readonly periods: readonly PeriodColumns[] | null;
}

/** Times are ISO 8601, amounts are minor units. */
export interface PeriodColumns {
  readonly id: number;
  readonly source: PeriodSource;
  readonly plan: string;
  readonly starts_at: string;
  readonly ends_at: string;
  readonly amount: string;
  readonly refunded_at: string | null;
  readonly part_of: number | null;
  readonly moved_from: string | null;
}

/** A row with a subscription. */
export type SubscriptionRow = CustomerColumns & SubscriptionColumns;

export type CustomerRow = SubscriptionRow | (CustomerColumns & { readonly subscriptionId: null });

export const hasSubscription = (row: CustomerRow): row is SubscriptionRow =>
  row.subscriptionId !== null;

const values = {
  now: sql`r.now`,
  window: sql`(r.window_ms * interval '1 ms')`,
  revivesFrom: sql`(CASE WHEN r.revive_ms > 0 THEN r.now - r.revive_ms * interval '1 ms'
    ELSE 'infinity' END)`,
};

/** The time, the settings and the time sentinel. The stored clock of a test is trusted. */
const contextSql = sql`
  SELECT perennial.clock() AS now,
    coalesce((d.value->>'vip_percent')::int, ${defaultSettings.vipPercent}) AS vip_percent,
    coalesce((n.value->>'window_ms')::bigint, ${defaultSettings.windowMs}) AS window_ms,
    coalesce((n.value->>'notice_ms')::bigint, ${defaultSettings.noticeMs}) AS notice_ms,
    coalesce((n.value->>'revive_ms')::bigint, ${defaultSettings.reviveMs}) AS revive_ms,
    CASE WHEN i.test AND i.clock_at IS NOT NULL THEN NULL
      WHEN k.only_row IS NULL THEN 'the row of the table clock_state was deleted'
      WHEN k.suspect_cause IS NOT NULL THEN coalesce(k.suspect_reason, '') END AS suspect_reason
  FROM perennial.installation i
  LEFT JOIN perennial.clock_state k ON true
  LEFT JOIN perennial.setting d ON d.key = 'discounts'
  LEFT JOIN perennial.setting n ON n.key = 'renewal'`;

const periodsSql = sql`
  (SELECT json_agg(json_build_object('id', p.id, 'source', p.source, 'plan', p.plan,
      'starts_at', p.starts_at, 'ends_at', p.ends_at, 'amount', p.amount_minor::text,
      'refunded_at', p.refunded_at, 'part_of', p.part_of, 'moved_from', p.moved_from)
      ORDER BY p.starts_at, p.id)
   FROM (
     (SELECT id, source, plan, starts_at, ends_at, amount_minor, refunded_at, part_of, moved_from
      FROM perennial.period live WHERE live.subscription_id = s.id AND live.refunded_at IS NULL
      ORDER BY live.starts_at DESC LIMIT 100)
     UNION ALL
     (SELECT id, source, plan, starts_at, ends_at, amount_minor, refunded_at, part_of, moved_from
      FROM perennial.period gone WHERE gone.subscription_id = s.id AND gone.refunded_at IS NOT NULL
      ORDER BY gone.starts_at DESC LIMIT 100)) p)`;

type Param = (name: keyof CustomerRowsRequest) => RawBuilder<unknown>;

/** @param chooseShown what follows the condition on the customer */
const buildStatement = (chooseShown: (param: Param) => RawBuilder<unknown>) =>
  compileOnce<CustomerRowsRequest, CustomerRow>(
    (param) => sql<CustomerRow>`
    WITH c AS MATERIALIZED (
      SELECT id, telegram_id, locale, time_zone, currency, balance_minor, claim_minor, vip,
        discount_percent, trial_used_at, blocked_at, blocked_reason, reachable, sub_token, created_at,
        (SELECT count(*) FROM perennial.subscription own WHERE own.customer_id = customer.id)
          AS total
      FROM perennial.customer WHERE telegram_id = ${param('telegramId')}
    ), shown AS MATERIALIZED (
      SELECT own.id FROM perennial.subscription own, c WHERE own.customer_id = c.id AND ${chooseShown(param)}
    ), r AS MATERIALIZED (${contextSql})
    SELECT ${selectForecastColumns(values)}, c.telegram_id AS "telegramId", c.locale,
      c.time_zone AS "timeZone", c.currency, c.claim_minor AS "claimMinor",
      c.trial_used_at AS "trialUsedAt", c.blocked_at AS "blockedAt",
      c.blocked_reason AS "blockedReason", c.reachable, c.sub_token AS "subToken",
      c.created_at AS "createdAt", r.now, r.vip_percent AS "vipPercent", r.window_ms AS "windowMs",
      r.notice_ms AS "noticeMs", r.revive_ms AS "reviveMs", r.suspect_reason AS "suspectReason",
      c.total, s.is_shown AS "isShown", s.plan AS "presentPlan", s.period_days AS "presentDays",
      s.next_plan AS "nextPlan", s.next_period_days AS "nextDays",
      coalesce(s.next_plan, s.plan) AS plan, s.started_at AS "startedAt",
      s.next_try_at AS "nextTryAt", s.woken_at AS "wokenAt",
      (SELECT p.starts_at FROM perennial.period p
       WHERE p.subscription_id = s.id AND p.refunded_at IS NULL
       ORDER BY p.starts_at DESC LIMIT 1) AS "lastStartsAt",
      q.reason AS "quarantineReason", q.retry_at AS "quarantineRetryAt",
      CASE WHEN s.is_shown THEN (SELECT k.id FROM perennial.credential k
        WHERE k.subscription_id = s.id AND k.retired_at IS NULL) END AS credential,
      CASE WHEN ${param('withNodes')}::boolean AND s.is_shown AND s.state = 'active'
        THEN ${selectOpenNodes} END AS "openNodes",
      CASE WHEN s.is_shown THEN ${periodsSql} END AS periods
    FROM c CROSS JOIN r
    LEFT JOIN LATERAL (
      SELECT s.id, s.customer_id, s.kind, s.plan, s.period_days, s.next_plan, s.next_period_days,
        s.state, s.started_at, s.expires_at, s.auto_renew, s.next_try_at, s.woken_at,
        s.id IN (SELECT id FROM shown) AS is_shown
      FROM perennial.subscription s
      WHERE s.customer_id = c.id AND (${isForecast(values)} OR s.id IN (SELECT id FROM shown))) s ON true
    LEFT JOIN perennial.quarantine q ON q.worker = 'auto-renewal' AND q.item = s.id::text
    ORDER BY s.expires_at, s.id`,
  );

interface CustomerRowsRequest {
  readonly telegramId: bigint;
  /** An id of a subscription; null: there is no such condition. */
  readonly one: SubscriptionId | null;
  /** The number of the shown subscriptions. */
  readonly max: number;
  readonly withNodes: boolean;
}

/**
 * The rows in the order of the ends; none for an unknown customer. Shown are active subscriptions
 * before the others, the latest first. @param request `one`: only this subscription is shown
 */
export const readLatestRows = buildStatement(
  (param) => sql`(${param('one')}::bigint IS NULL OR own.id = ${param('one')})
    ORDER BY own.state = 'active' DESC, own.id DESC LIMIT ${param('max')}`,
);

/** The same for a page of all subscriptions. @param request `one`: shown are those before it */
export const readPageRows = buildStatement(
  (param) => sql`(${param('one')}::bigint IS NULL OR own.id < ${param('one')})
    ORDER BY own.id DESC LIMIT ${param('max')}`,
);

/** The same for the active subscriptions that end first. */
export const readEndingRows = buildStatement(
  (param) => sql`own.state = 'active' ORDER BY own.expires_at, own.id LIMIT ${param('max')}`,
);
