import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import { anyOf } from '../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime, later } from '../kernel/instant.ts';
import { type KnownRow, knownColumns, knownOf } from './known-prices.ts';
import { forecast, type Outlook, type OutlookFacts, type OutlookRules } from './outlook.ts';
import type { Settings } from './settings.ts';

// What a forecast reads of the subscriptions of customers, and the forecast itself.

export type ForecastSettings = OutlookRules & Pick<Settings, 'reviveMs'>;

/** The facts of one subscription. `customerVersion` changes with each change of the customer's row. */
export type ForecastRow = OutlookFacts & { readonly customerVersion: string };

/**
 * The order makes PostgreSQL read customer by customer, by the index, also without statistics. It
 * would join all subscriptions by hash otherwise.
 */
const oneByOne = (only: readonly SubscriptionId[] | undefined) => sql`
  SELECT * FROM perennial.subscription own
  WHERE own.customer_id = c.id
    AND ${only === undefined ? sql`true` : sql`own.id = ${anyOf('bigint', only)}`}
  ORDER BY own.expires_at, own.id`;

/**
 * The facts of all active subscriptions of these customers, and of those that a top-up would bring
 * back, each customer's in the order of their end. One statement for all of them.
 * @param only of these subscriptions
 */
export async function readForecastRows(
  tx: Tx,
  customers: readonly CustomerId[],
  now: Instant,
  settings: ForecastSettings,
  only?: readonly SubscriptionId[],
): Promise<ForecastRow[]> {
  const plan = sql`coalesce(s.next_plan, s.plan)`;
  const days = sql`coalesce(s.next_period_days, s.period_days)`;
  const dueAt = sql`(s.expires_at - ${`${settings.windowMs} ms`}::interval)`;
  const price = (at: RawBuilder<unknown>) => sql`
    (SELECT p.amount_minor FROM perennial.plan_price p
     WHERE p.plan = ${plan} AND p.currency = c.currency AND p.period_days = ${days}
       AND p.valid_from <= greatest(${isoTime(now)}::timestamptz, ${at})
     ORDER BY p.valid_from DESC LIMIT 1)`;
  const { rows } = await sql<Omit<ForecastRow, 'prices'> & KnownRow>`
    SELECT s.id AS "subscriptionId", c.id AS "customerId", s.kind, s.state,
      s.auto_renew AS "autoRenew", s.expires_at AS "expiresAt", c.balance_minor AS "balanceMinor",
      c.vip, c.discount_percent AS "discountPercent", ${price(dueAt)} AS "listMinor",
      ${price(sql`${dueAt} + ${days} * interval '1 day'`)} AS "followingListMinor",
      s.state = 'expired' AND s.next_try_at IS NOT NULL AS "waitsForTopUp",
      ${days} AS "periodDays", c.xmin::text AS "customerVersion", ${knownColumns(plan, days)}
    FROM perennial.customer c
    CROSS JOIN LATERAL (${oneByOne(only)}) s
    WHERE c.id = ${anyOf('bigint', customers)} AND (s.state = 'active' OR (s.state = 'expired' AND s.kind = 'paid' AND s.auto_renew
        AND ${settings.reviveMs > 0} AND s.expires_at >= ${isoTime(later(now, -settings.reviveMs))}))
    ORDER BY c.id, s.expires_at, s.id`.execute(tx);
  const facts: ForecastRow[] = [];
  for (const { paidMinor, known, ...row } of rows) {
    facts.push({ ...row, prices: knownOf({ paidMinor, known }) });
    if (facts.length % rowsPerTurn === 0) await nextTurn();
  }
  return facts;
}

const rowsPerTurn = 1_000;

/** Other tasks of this process continue in between. */
const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** The outlooks of all active subscriptions of these customers. */
export async function readOutlooks(
  tx: Tx,
  customers: readonly CustomerId[],
  now: Instant,
  settings: ForecastSettings,
): Promise<Map<SubscriptionId, Outlook>> {
  return foresee(await readForecastRows(tx, customers, now, settings), now, settings);
}

/** As `outlooksOf`, with pauses. */
export async function foresee(
  facts: readonly OutlookFacts[],
  now: Instant,
  rules: OutlookRules,
): Promise<Map<SubscriptionId, Outlook>> {
  const steps = forecast(facts, now, rules);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await nextTurn();
  }
}
