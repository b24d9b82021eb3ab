-- The ceiling of renewal: all renewals as one statement, with all writes of the engine: debit, ledger
-- entry, period, new end, receipt and event. Customers with a low balance get their next attempt and
-- the notification. The statement holds all locks until its end. It decides by a running sum, so it
-- cannot pay a later, cheaper subscription if an earlier one is too expensive. It has no quarantine
-- and no plan changes, and one failure undoes all renewals. So it is fast, but not fit for use.
-- $1: now.
WITH price AS MATERIALIZED (
  SELECT DISTINCT ON (plan, period_days, currency) plan, period_days, currency, amount_minor
  FROM perennial.plan_price WHERE valid_from <= $1::timestamptz
  ORDER BY plan, period_days, currency, valid_from DESC
), due AS (
  SELECT s.id, s.customer_id, s.plan, s.period_days, s.expires_at, c.currency, c.balance_minor,
    p.amount_minor AS list_minor,
    off.percent AS percent_off, p.amount_minor * (100 - off.percent) / 100 AS price
  FROM perennial.subscription s
  JOIN perennial.customer c ON c.id = s.customer_id
  CROSS JOIN LATERAL (SELECT CASE WHEN c.vip THEN greatest(30, c.discount_percent)
    ELSE c.discount_percent END AS percent) off
  JOIN price p ON p.plan = s.plan AND p.period_days = s.period_days AND p.currency = c.currency
  WHERE s.kind = 'paid' AND s.auto_renew AND s.next_try_at IS NULL AND s.state = 'active'
    AND s.expires_at <= $1::timestamptz + interval '6 hours'
), decided AS MATERIALIZED (
  SELECT *, (sum(price) OVER customers)::bigint AS taken,
    sum(price) OVER customers <= balance_minor AS paid,
    CASE WHEN expires_at + make_interval(hours => period_days * 24) <= $1::timestamptz
      THEN $1::timestamptz ELSE expires_at END AS starts_at
  FROM due WINDOW customers AS (PARTITION BY customer_id ORDER BY expires_at, id)
), charged AS MATERIALIZED (
  SELECT *, starts_at + make_interval(hours => period_days * 24) AS ends_at,
    nextval('perennial.ledger_entry_id_seq') AS entry_id
  FROM decided WHERE paid
), debited AS (
  UPDATE perennial.customer c SET balance_minor = c.balance_minor - debit.sum
  FROM (SELECT customer_id, sum(price)::bigint FROM charged GROUP BY customer_id) AS debit
  WHERE c.id = debit.customer_id
), booked AS (
  INSERT INTO perennial.ledger_entry (id, customer_id, amount_minor, balance_after_minor, kind,
    idempotency_key, created_at)
  OVERRIDING SYSTEM VALUE
  SELECT entry_id, customer_id, -price, balance_minor - taken, 'renewal',
    'renewal:' || id || ':' || entry_id, $1::timestamptz
  FROM charged
), added AS (
  INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
    amount_minor, currency, ledger_entry_id, period_days, list_minor, discount_percent)
  SELECT id, customer_id, 'renewal', plan, starts_at, ends_at, price, currency, entry_id,
    period_days, list_minor, percent_off
  FROM charged
), extended AS (
  UPDATE perennial.subscription s
  SET expires_at = ends_at, remind_at = ends_at - interval '3 days'
  FROM charged WHERE s.id = charged.id
), postponed AS (
  UPDATE perennial.subscription s SET next_try_at = CASE WHEN s.expires_at > $1::timestamptz
    THEN least($1::timestamptz + interval '1 hour', s.expires_at)
    ELSE $1::timestamptz + interval '1 hour' END
  FROM decided WHERE s.id = decided.id AND NOT paid
), told AS (
  INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
    params, next_attempt_at, created_at)
  SELECT customer_id, id, 'telegram', 'receipt', 'receipt:' || entry_id, jsonb_build_object(
      'amount', price / 100 || '.' || lpad((price % 100)::text, 2, '0'),
      'currency', currency, 'plan', plan, 'period_days', period_days,
      'starts_at', to_char(starts_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'ends_at', to_char(ends_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'balance_after', (balance_minor - taken) / 100 || '.'
        || lpad(((balance_minor - taken) % 100)::text, 2, '0')),
    $1::timestamptz, $1::timestamptz
  FROM charged
  ON CONFLICT (dedupe_key) DO NOTHING
), warned AS (
  INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
    params, next_attempt_at, created_at)
  SELECT customer_id, id, 'telegram', 'low_balance',
    'low_balance:' || id || ':' || (extract(epoch FROM expires_at) * 1000)::bigint,
    jsonb_build_object(
      'price', price / 100 || '.' || lpad((price % 100)::text, 2, '0'),
      'missing', (taken - balance_minor) / 100 || '.'
        || lpad(((taken - balance_minor) % 100)::text, 2, '0'),
      'others', null, 'currency', currency, 'plan', plan, 'period_days', period_days,
      'expires_at', to_char(expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
    $1::timestamptz, $1::timestamptz
  FROM decided WHERE NOT paid
  ON CONFLICT (dedupe_key) DO NOTHING
), recorded AS (
  INSERT INTO perennial.event (customer_id, subject, action, actor, at, detail)
  SELECT customer_id, 'subscription:' || id, 'renewed', 'ceiling', $1::timestamptz,
    jsonb_build_object('ledger_entry_id', entry_id::text, 'amount_minor', price::text,
      'plan', plan, 'ends_at', to_char(ends_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
  FROM charged
)
SELECT count(*) FILTER (WHERE paid) AS renewed, count(*) AS examined FROM decided
