import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import type { SubscriptionKind, SubscriptionState } from '../db/schema.ts';
import { anyOf } from '../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime, later } from '../kernel/instant.ts';
import { isAlarmCleared, wasAlarmSent } from '../outbox/alarms.ts';
import { unreachablePrefix } from '../outbox/kinds.ts';
import type { PlanChoice } from '../outbox/plan-choice.ts';
import type { Forecast } from '../subscription/rules/forecast.ts';
import type { Settings } from '../subscription/rules/settings.ts';
import type { ForecastCache } from '../subscription/store/forecast-cache.ts';
import { readForecasts } from '../subscription/store/forecast-facts.ts';
import { readChoices } from '../subscription/store/plan-choices.ts';
import { readSettings } from '../subscription/store/settings.ts';
import type { EndNotifications, NoticeFacts } from './relevance-facts.ts';

// Reads the facts for `checkRelevance`.
//
// The statements follow the lock of the customers, as for each decision (rule 2). So they see
// everything that was committed before. Nothing changes until the transaction that sets `sending`
// has committed.

/** The facts of one notification, and the reader of its text. */
export interface NotificationContext {
  readonly facts: NoticeFacts;
  /** Null for an alarm. */
  readonly reader: {
    readonly telegramId: bigint;
    readonly locale: string;
    readonly timeZone: string;
  } | null;
  /** The title by language of its plan; null without a plan. */
  readonly planTitle: Readonly<Record<string, string>> | null;
}

interface Row {
  readonly id: bigint;
  readonly noticeKind: string;
  readonly customerId: CustomerId | null;
  readonly telegramId: bigint;
  readonly locale: string;
  readonly timeZone: string;
  readonly reachable: boolean;
  readonly isBlocked: boolean;
  readonly pays: boolean;
  readonly currency: string;
  readonly failedAt: Instant | null;
  readonly subscriptionId: SubscriptionId | null;
  readonly kind: SubscriptionKind;
  readonly state: SubscriptionState;
  readonly autoRenew: boolean;
  readonly expiresAt: Instant;
  readonly plan: string;
  readonly periodDays: number;
  readonly hasLaterReminder: boolean;
  readonly lastSentAt: Instant | null;
  readonly lowBalance: EndNotifications['lowBalance'];
  readonly resolved: boolean;
  readonly planTitle: Readonly<Record<string, string>> | null;
}

/** These kinds report an event. The forecast would read all subscriptions of the customer. */
const kindsWithoutForecast: ReadonlySet<string> = new Set([
  'receipt',
  'refund',
  'grant',
  'grant_taken_back',
  'restored',
  'revoke',
  'expired',
  'trial_ended',
  'announcement',
]);

/** The present facts of these notifications by id. The caller has locked the customers. */
export async function readRelevanceFacts(
  tx: Tx,
  ids: readonly bigint[],
  now: Instant,
  cache?: ForecastCache,
): Promise<Map<bigint, NotificationContext>> {
  const rows = await readRows(tx, ids, now);
  const settings = await readSettings(tx);
  const forecasts = await readNeededForecasts(tx, rows, now, settings, cache);
  const choosers = rows.flatMap((row) =>
    row.noticeKind === 'price_withdrawn' && row.customerId !== null ? [row.customerId] : [],
  );
  const choices = await readChoices(tx, choosers, now, settings.vipPercent);
  return new Map(
    rows.map((row) => [row.id, toNotificationContext(row, forecasts, choices, now, settings)]),
  );
}

type Forecasts = ReadonlyMap<SubscriptionId, Forecast>;

/** Only a subscription with auto-renewal depends on the other subscriptions of its customer. */
async function readNeededForecasts(
  tx: Tx,
  rows: readonly Row[],
  now: Instant,
  settings: Settings,
  cache: ForecastCache | undefined,
): Promise<Forecasts> {
  const forecasts = new Map<SubscriptionId, Forecast>();
  const renewable: { readonly customer: CustomerId; readonly subscription: SubscriptionId }[] = [];
  for (const { noticeKind, customerId, subscriptionId, state, kind, autoRenew } of rows) {
    if (customerId === null || subscriptionId === null || state !== 'active') continue;
    if (kindsWithoutForecast.has(noticeKind)) continue;
    if (kind === 'paid' && autoRenew)
      renewable.push({ customer: customerId, subscription: subscriptionId });
    else forecasts.set(subscriptionId, { kind: 'ends' });
  }
  if (cache === undefined) {
    const customers = [...new Set(renewable.map(({ customer }) => customer))];
    const all = await readForecasts(tx, customers, now, settings);
    for (const { subscription } of renewable) {
      const forecast = all.get(subscription);
      if (forecast !== undefined) forecasts.set(subscription, forecast);
    }
    return forecasts;
  }
  for (const { customer, subscription } of renewable) {
    const forecast = await cache.read(tx, customer, subscription, now, settings);
    if (forecast !== undefined) forecasts.set(subscription, forecast);
  }
  return forecasts;
}

function toNotificationContext(
  row: Row,
  forecasts: Forecasts,
  choices: ReadonlyMap<CustomerId, readonly PlanChoice[]>,
  now: Instant,
  { windowMs }: Pick<Settings, 'windowMs'>,
): NotificationContext {
  const { customerId, subscriptionId, telegramId, locale, timeZone, currency } = row;
  const {
    reachable,
    isBlocked,
    failedAt,
    pays,
    kind,
    state,
    expiresAt,
    plan,
    periodDays,
    resolved,
  } = row;
  const { hasLaterReminder, lastSentAt, lowBalance } = row;
  const isRenewalDue = expiresAt !== null && later(expiresAt, -windowMs) <= now;
  const forecast = subscriptionId === null ? undefined : forecasts.get(subscriptionId);
  const customer = { reachable, isBlocked, failedAt, timeZone, pays };
  return {
    facts: {
      customer: customerId === null ? null : customer,
      subscription:
        subscriptionId === null
          ? null
          : {
              ...{ kind, state, expiresAt, plan, periodDays, currency, isRenewalDue },
              forecast: forecast ?? null,
              choices: choices.get(customerId as CustomerId) ?? [],
            },
      endNotifications: { hasLaterReminder, lastSentAt, lowBalance },
      resolved,
    },
    reader: customerId === null ? null : { telegramId, locale, timeZone },
    planTitle: row.planTitle,
  };
}

/** The last failure is read only for unreachable customers. */
async function readRows(tx: Tx, ids: readonly bigint[], now: Instant): Promise<Row[]> {
  const { rows } = await sql<Row>`
    SELECT n.id, n.kind AS "noticeKind", c.id AS "customerId", c.telegram_id AS "telegramId", c.locale,
      c.time_zone AS "timeZone", c.reachable, c.blocked_at IS NOT NULL AS "isBlocked", c.currency, s.id AS "subscriptionId", s.kind, s.state,
      s.auto_renew AS "autoRenew", s.expires_at AS "expiresAt", p.title AS "planTitle",
      coalesce(s.next_plan, s.plan) AS plan,
      coalesce(s.next_period_days, s.period_days) AS "periodDays",
      EXISTS (SELECT FROM perennial.subscription paid
        WHERE paid.customer_id = c.id AND paid.kind = 'paid' AND paid.state = 'active'
          AND paid.expires_at > ${isoTime(now)}) AS pays,
      (SELECT max(f.sending_since) FROM perennial.notification f
        WHERE NOT c.reachable AND f.customer_id = c.id AND (f.state = 'failed'
          OR f.state = 'pending' AND f.reason LIKE ${`${unreachablePrefix}%`})) AS "failedAt",
      coalesce(same_end.has_later, false) AS "hasLaterReminder", same_end.last_sent_at AS "lastSentAt",
      CASE WHEN same_end.short_current THEN 'current' WHEN same_end.short_known THEN 'past' ELSE 'none' END
        AS "lowBalance",
      CASE
        WHEN n.kind = 'announcement' THEN EXISTS (SELECT FROM perennial.bulk_job j
          WHERE j.id = (n.params->>'job')::bigint AND j.state = 'cancelled')
        WHEN n.customer_id IS NOT NULL THEN false
        WHEN n.kind = 'alarm_over' THEN NOT ${wasAlarmSent('n')}
        ELSE ${isAlarmCleared('n')}
      END AS resolved
    FROM perennial.notification n
    LEFT JOIN perennial.customer c ON c.id = n.customer_id
    LEFT JOIN perennial.subscription s ON s.id = n.subscription_id
    LEFT JOIN perennial.plan p ON p.key = CASE n.kind
      WHEN 'low_balance' THEN coalesce(s.next_plan, s.plan) ELSE n.params->>'plan' END
    LEFT JOIN LATERAL (${sameEndSql}) same_end ON true
    WHERE n.id = ${anyOf('bigint', ids)}`.execute(tx);
  return rows;
}

/**
 * Other notifications about the end of `n`. A notification about a price or about a successful
 * renewal does not count as one about the end. These two kinds keep their distance from each other.
 */
const sameEndSql = sql`
  SELECT
    bool_or(l.id > n.id AND l.state IN ('pending', 'sending', 'sent', 'uncertain')
      AND l.kind NOT IN ('price_change', 'renewal_ahead')
      AND (l.kind <> 'low_balance' OR n.kind IN ('price_change', 'renewal_ahead'))) AS has_later,
    max(l.sending_since) FILTER (WHERE l.state IN ('sending', 'sent', 'uncertain')) AS last_sent_at,
    bool_or(l.kind = 'low_balance') AS short_known,
    bool_or(l.kind = 'low_balance' AND (l.state IN ('pending', 'sending')
      OR (l.id > n.id AND l.state IN ('sent', 'uncertain')))) AS short_current
  FROM perennial.notification l
  WHERE n.kind ~ '^(ends_|trial_(6h|48h|ending)|low_balance|price_|renewal_ahead)'
    AND l.customer_id = n.customer_id AND l.subscription_id = n.subscription_id AND l.id <> n.id
    -- As the index notification_about_end has them: few, however many messages a customer has.
    AND l.kind IN ('low_balance', 'ends_3d', 'ends_24h', 'ends_3h', 'trial_6h', 'trial_48h',
      'trial_ending', 'price_withdrawn', 'price_change', 'renewal_ahead')
    AND (l.kind NOT IN ('price_change', 'renewal_ahead')
      OR n.kind IN ('price_change', 'renewal_ahead'))
    AND l.params->>'expires_at' = n.params->>'expires_at'`;
