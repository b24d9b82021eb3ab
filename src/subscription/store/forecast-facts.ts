import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import { yieldToEventLoop } from '../../kernel/event-loop.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime, later } from '../../kernel/instant.ts';
import {
  type Forecast,
  type ForecastFacts,
  type ForecastRules,
  forecastInSteps,
} from '../rules/forecast.ts';
import type { Settings } from '../rules/settings.ts';
import { type KnownPriceRow, selectKnownPrices, toKnownPrices } from './known-prices.ts';

// The SQL that reads the facts of forecasts, and the forecast itself.

export type ForecastSettings = ForecastRules & Pick<Settings, 'reviveMs'>;

/** The facts of a subscription. `customerVersion` changes with each change of the customer row. */
export type ForecastRow = ForecastFacts & { readonly customerVersion: string };

/**
 * With this order PostgreSQL reads customer by customer through the index, also without statistics.
 * Otherwise it would join all subscriptions by hash. `OFFSET 0` keeps the conditions of the outer
 * query outside. Otherwise it would read all ended subscriptions for each customer.
 */
const selectSubscriptions = (onlyIds: readonly SubscriptionId[] | undefined) => sql`
  SELECT * FROM perennial.subscription own
  WHERE own.customer_id = c.id
    AND ${onlyIds === undefined ? sql`true` : sql`own.id = ${anyOf('bigint', onlyIds)}`}
  ORDER BY own.expires_at, own.id OFFSET 0`;

/** The time and the settings of a statement that reads forecasts. */
export interface ForecastSql {
  readonly now: RawBuilder<unknown>;
  /** An interval. */
  readonly window: RawBuilder<unknown>;
  /** A payment revives subscriptions that ended from this time on; `infinity`: none. */
  readonly revivesFrom: RawBuilder<unknown>;
}

const toForecastSql = (now: Instant, settings: ForecastSettings): ForecastSql => ({
  now: sql`${isoTime(now)}::timestamptz`,
  window: sql`${`${settings.windowMs} ms`}::interval`,
  revivesFrom: sql`${
    settings.reviveMs > 0 ? isoTime(later(now, -settings.reviveMs)) : 'infinity'
  }::timestamptz`,
});

const plan = sql`coalesce(s.next_plan, s.plan)`;
const days = sql`coalesce(s.next_period_days, s.period_days)`;

const listPrice = (now: RawBuilder<unknown>, at: RawBuilder<unknown>) => sql`
  (SELECT p.amount_minor FROM perennial.plan_price p
   WHERE p.plan = ${plan} AND p.currency = c.currency AND p.period_days = ${days}
     AND p.valid_from <= greatest(${now}, ${at})
   ORDER BY p.valid_from DESC LIMIT 1)`;

/** The list price of the period after the next one, which only reminders need. */
const selectFollowingPrice = ({ now, window }: ForecastSql) =>
  listPrice(now, sql`(s.expires_at - ${window}) + ${days} * interval '1 day'`);

/**
 * The columns of `ForecastColumns`, of a subscription `s` and its customer `c`.
 * @param following the list price of the period after the next one
 */
export function selectForecastColumns(
  { now, window }: ForecastSql,
  following: RawBuilder<unknown> = sql`NULL::bigint`,
): RawBuilder<unknown> {
  const dueAt = sql`(s.expires_at - ${window})`;
  return sql`s.id AS "subscriptionId", c.id AS "customerId", s.kind, s.state,
    s.auto_renew AS "autoRenew", s.expires_at AS "expiresAt", c.balance_minor AS "balanceMinor",
    c.vip, c.discount_percent AS "discountPercent", c.blocked_at IS NOT NULL AS "isBlocked",
    ${listPrice(now, dueAt)} AS "listMinor",
    ${following} AS "followingListMinor",
    s.state = 'expired' AND s.next_try_at IS NOT NULL AS "waitsForTopUp",
    ${days} AS "periodDays", ${selectKnownPrices(plan, days)}`;
}

export type ForecastColumns = Omit<ForecastFacts, 'prices'> & KnownPriceRow;

/** The subscriptions of a forecast: active ones, and those that a payment would revive. */
export const isForecast = ({ revivesFrom }: ForecastSql): RawBuilder<boolean> => sql`
  (s.state = 'active' OR (s.state = 'expired' AND s.kind = 'paid' AND s.auto_renew
    AND s.expires_at >= ${revivesFrom}))`;

/**
 * Reads the active subscriptions of these customers, and those that a payment would revive, in one
 * statement. The subscriptions of a customer are in the order of their ends.
 * @param onlyIds only these subscriptions
 */
export async function readForecastRows(
  tx: Tx,
  customers: readonly CustomerId[],
  now: Instant,
  settings: ForecastSettings,
  onlyIds?: readonly SubscriptionId[],
): Promise<ForecastRow[]> {
  const values = toForecastSql(now, settings);
  const { rows } = await sql<ForecastColumns & Pick<ForecastRow, 'customerVersion'>>`
    SELECT ${selectForecastColumns(values, selectFollowingPrice(values))}, c.xmin::text AS "customerVersion"
    FROM perennial.customer c
    CROSS JOIN LATERAL (${selectSubscriptions(onlyIds)}) s
    WHERE c.id = ${anyOf('bigint', customers)} AND ${isForecast(values)}
    ORDER BY c.id, s.expires_at, s.id`.execute(tx);
  const facts: ForecastRow[] = [];
  for (const { paidMinor, known, ...row } of rows) {
    facts.push({ ...row, prices: toKnownPrices({ paidMinor, known }) });
    if (facts.length % rowsPerPause === 0) await yieldToEventLoop();
  }
  return facts;
}

const rowsPerPause = 1_000;

/** The forecasts of all active subscriptions of these customers. */
export async function readForecasts(
  tx: Tx,
  customers: readonly CustomerId[],
  now: Instant,
  settings: ForecastSettings,
): Promise<Map<SubscriptionId, Forecast>> {
  return forecastWithPauses(await readForecastRows(tx, customers, now, settings), now, settings);
}

/** `computeForecasts` with pauses. */
export async function forecastWithPauses(
  facts: readonly ForecastFacts[],
  now: Instant,
  rules: ForecastRules,
): Promise<Map<SubscriptionId, Forecast>> {
  const steps = forecastInSteps(facts, now, rules);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await yieldToEventLoop();
  }
}
