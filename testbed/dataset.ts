import type pg from 'pg';
import { instant } from '../src/kernel/instant.ts';

// The generated database of benchmarks and plan tests. The same size always gives the same rows, so
// results of two variants can be compared row by row.
//
// The order of ends follows the order of signing up, as if all customers renewed in time. Customers
// who came in one hour end in one hour, each month. A database of a year has twelve such groups due
// at once. A quarter of the customers lapsed and returned at some time. They are scattered over the
// table. Every eleventh subscription is the second of its customer. About 3% of the due
// subscriptions lack money. A seventh of the customers with two can pay for one. A balance covers
// all of a plan or nothing, so that one statement can decide by a running sum (bench/ceiling.sql).

/** The stored clock of every benchmark. */
export const benchNow = instant(Date.UTC(2026, 10, 24, 9));

export interface DatasetSize {
  readonly subscriptions: number;
  readonly due: number;
  /** The share of subscriptions that do not follow the order of signing up. */
  readonly scatteredPercent?: number;
  /**
   * If true, due subscriptions ended within the last hour and are not renewed, and a third of them
   * are trials. All others are running. By default due subscriptions are renewed.
   */
  readonly ending?: boolean;
}

/** The rank of each subscription by its end, from 0. The prime 7919 scatters the lapsed ones. */
const toRankSql = ({ subscriptions: n, scatteredPercent = 25 }: DatasetSize): string => `
  SELECT i, row_number() OVER (ORDER BY CASE WHEN i * 31 % 100 < ${scatteredPercent}
      THEN (i * 7919) % ${n} ELSE (i * 12) % ${n} END, i) - 1 AS rank
  FROM generate_series(1::bigint, ${n}) AS i`;

const setupSql = `
  SET session_replication_role = replica; -- rows that are right by construction: no checks
  SET synchronous_commit = off;
  SET work_mem = '512MB';
  SET maintenance_work_mem = '512MB';
  INSERT INTO perennial.plan (key, title, groups) VALUES
    ('basic', '{"en": "Basic"}', '{all}'), ('plus', '{"en": "Plus"}', '{all,fast}');
  INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
  SELECT plan, days, currency, '2020-01-01Z', amount FROM (VALUES
    ('basic', 30, 'RUB', 14900), ('basic', 90, 'RUB', 39900), ('basic', 180, 'RUB', 74900),
    ('basic', 365, 'RUB', 139900), ('plus', 30, 'RUB', 29900), ('plus', 90, 'RUB', 69900),
    ('plus', 180, 'RUB', 119900), ('plus', 365, 'RUB', 229900), ('basic', 30, 'USD', 199),
    ('basic', 90, 'USD', 549), ('basic', 180, 'USD', 999), ('basic', 365, 'USD', 1899),
    ('plus', 30, 'USD', 399), ('plus', 90, 'USD', 949), ('plus', 180, 'USD', 1599),
    ('plus', 365, 'USD', 2999)) AS price(plan, days, currency, amount);`;

/** Customers with their purchases. One in 36 cannot pay. */
const toCustomersSql = (count: number): string => `
  CREATE TEMPORARY TABLE buyer AS
  SELECT c, currency, vip, percent, p.plan, p.period_days, p.amount_minor AS list,
    CASE WHEN vip THEN greatest(30, percent) ELSE percent END AS discount,
    floor(p.amount_minor
      * (100 - CASE WHEN vip THEN greatest(30, percent) ELSE percent END) / 100)::bigint AS price
  FROM (
    SELECT c, CASE WHEN c % 20 = 9 THEN 'USD' ELSE 'RUB' END AS currency, c % 25 = 0 AS vip,
      CASE WHEN c % 10 = 3 THEN 15 ELSE 0 END AS percent,
      CASE WHEN c % 3 = 0 THEN 'plus' ELSE 'basic' END AS plan,
      ('{30,30,30,30,30,30,90,90,180,365}'::int[])[1 + c / 10 % 10] AS days
    FROM generate_series(1, ${count}) AS c) AS someone
  JOIN perennial.plan_price p USING (plan, currency) WHERE p.period_days = someone.days;
  INSERT INTO perennial.customer (id, telegram_id, locale, currency, balance_minor, vip,
    discount_percent, trial_used_at, sub_token, created_at)
  OVERRIDING SYSTEM VALUE
  SELECT c, 100000000 + c, CASE WHEN c % 4 = 0 THEN 'en' ELSE 'ru' END, currency,
    CASE WHEN c % 70 = 0 THEN price * 3 / 2 WHEN c % 33 = 7 AND c % 10 > 0 THEN price / 2
      ELSE price * (2 + c % 5) END,
    vip, percent, '2025-10-01Z', left(md5('token' || c), 22), '2025-10-01Z'
  FROM buyer;`;

/**
 * Of those that are not due, one in 20 is a trial, one in 20 is expired, and one in 10 has no
 * auto-renewal.
 */
const toSubscriptionsSql = (
  { ending = false, ...size }: DatasetSize,
  customerCount: number,
): string => `
  CREATE TEMPORARY TABLE sold AS
  SELECT i, buyer.*, kind, state, auto_renew, days, expires_at,
    expires_at - make_interval(hours => days * 24) AS starts_at
  FROM (
    SELECT i, CASE WHEN i <= ${customerCount} THEN i ELSE (i - ${customerCount}) * 10 END AS c,
      rank, CASE WHEN rank >= ${size.due} THEN rank % 20 = 0 ELSE ${ending} AND rank % 3 = 0 END
        AND i <= ${customerCount} AND i % 10 > 0 AS trial,
      NOT ${ending} AND rank >= ${size.due} AND rank % 20 = 1 AS over
    FROM (${toRankSql(size)}) AS numbered) AS placed
  JOIN buyer USING (c)
  CROSS JOIN LATERAL (SELECT
    CASE WHEN trial THEN 'trial' ELSE 'paid' END AS kind,
    CASE WHEN over THEN 'expired' ELSE 'active' END AS state,
    CASE WHEN rank < ${size.due} THEN NOT ${ending}
      ELSE NOT (trial OR over OR rank % 20 IN (2, 3)) END AS auto_renew,
    CASE WHEN trial THEN 3 ELSE buyer.period_days END AS days) AS kinds
  CROSS JOIN LATERAL (SELECT date_trunc('milliseconds', CASE
    WHEN rank < ${size.due}
      THEN '2026-11-24T08:00Z'::timestamptz
        + rank * (interval '${ending ? 1 : 7} hours' / ${Math.max(size.due, 1)})
    WHEN over THEN '2026-11-01Z'::timestamptz - make_interval(secs => rank % 864000)
    ELSE '2026-11-24T15:01Z'::timestamptz + rank::float8 / ${size.subscriptions}
      * make_interval(hours => CASE WHEN trial THEN 48 ELSE days * 24 - 7 END)
    END) AS expires_at) AS ends;
  INSERT INTO perennial.subscription (id, customer_id, kind, plan, period_days, state, started_at,
    expires_at, auto_renew, remind_at)
  OVERRIDING SYSTEM VALUE
  SELECT i, c, kind, plan, days, state, starts_at, expires_at, auto_renew, (
    SELECT min(at) FROM unnest(CASE kind
      WHEN 'trial' THEN ARRAY[starts_at + interval '6 hours', starts_at + interval '48 hours',
        expires_at - interval '6 hours']
      ELSE ARRAY[expires_at - interval '3 days', expires_at - interval '24 hours',
        expires_at - interval '3 hours'] END) AS at
    WHERE state = 'active' AND at > '2026-11-24T09:00Z') FROM sold ORDER BY i;`;

/** A time in the format of receipts. */
const toIsoSql = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** The history: an opening balance, and a purchase with its period, receipt and event each. */
const toHistorySql = (customerCount: number): string => `
  INSERT INTO perennial.ledger_entry (id, customer_id, amount_minor, balance_after_minor, kind,
    idempotency_key, created_at)
  OVERRIDING SYSTEM VALUE
  SELECT id, c, amount, sum(amount) OVER (PARTITION BY c ORDER BY id), kind, kind || ':' || id, at
  FROM (
    SELECT c AS id, c, balance_minor + coalesce(price * count, 0) AS amount, 'opening' AS kind,
      '2025-10-01Z'::timestamptz AS at
    FROM buyer JOIN perennial.customer ON customer.id = c
    LEFT JOIN (SELECT c, count(*) FROM sold WHERE kind = 'paid' GROUP BY c) AS paid USING (c)
    UNION ALL
    SELECT ${customerCount} + i, c, -price, 'purchase', starts_at FROM sold WHERE kind = 'paid'
  ) AS entry ORDER BY id;
  INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
    amount_minor, currency, ledger_entry_id, period_days, list_minor, discount_percent, kind)
  SELECT i, c, CASE WHEN kind = 'paid' THEN 'purchase' ELSE 'trial' END, plan, starts_at,
    expires_at, CASE WHEN kind = 'paid' THEN price ELSE 0 END, currency,
    CASE WHEN kind = 'paid' THEN ${customerCount} + i END, days,
    CASE WHEN kind = 'paid' THEN list END, CASE WHEN kind = 'paid' THEN discount END, kind
  FROM sold ORDER BY i;
  INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at, retired_at)
  SELECT gen_random_uuid(), i, c, starts_at, CASE WHEN state = 'expired' THEN expires_at END
  FROM sold ORDER BY i;
  INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
    params, state, next_attempt_at, sending_since, sent_at, created_at)
  SELECT c, i, 'telegram', 'receipt', 'receipt:' || ${customerCount} + i,
    jsonb_build_object('amount', price / 100 || '.' || lpad((price % 100)::text, 2, '0'),
      'currency', currency, 'plan', plan, 'period_days', days,
      'starts_at', ${toIsoSql('starts_at')}, 'ends_at', ${toIsoSql('expires_at')}),
    'sent', starts_at, starts_at, starts_at, starts_at
  FROM sold WHERE kind = 'paid' ORDER BY i;
  INSERT INTO perennial.event (customer_id, subject, action, actor, at, detail)
  SELECT c, 'subscription:' || i, 'purchased', 'cli', starts_at,
    jsonb_build_object('ledger_entry_id', (${customerCount} + i)::text,
      'amount_minor', price::text, 'plan', plan)
  FROM sold WHERE kind = 'paid' ORDER BY i;`;

const sequencesSql = ['customer', 'subscription', 'ledger_entry']
  .map(
    (table) => `
  SELECT setval('perennial.${table}_id_seq', (SELECT max(id) FROM perennial.${table}));`,
  )
  .join('');

/** Fills a migrated, empty test database. A million subscriptions take about two minutes. */
export async function buildDataset(client: pg.Client, size: DatasetSize): Promise<void> {
  const customerCount = Math.ceil((size.subscriptions * 10) / 11);
  await client.query(setupSql);
  await client.query(toCustomersSql(customerCount));
  await client.query('ANALYZE buyer');
  await client.query(toSubscriptionsSql(size, customerCount));
  await client.query(toHistorySql(customerCount));
  await client.query(sequencesSql);
  await client.query('UPDATE perennial.installation SET clock_at = $1', [new Date(benchNow)]);
  await client.query('VACUUM (ANALYZE, FREEZE)');
}
