-- The ceiling of expiry: all expiries as one statement, with all writes of the engine: state,
-- credential, a mark for each node, notification and event. It holds all locks until its end, and has
-- no renewal (auto-renewal is off in this data), no guard and no quarantine. One failure undoes all.
-- $1: now.
WITH ended AS MATERIALIZED (
  SELECT s.id, s.customer_id, s.kind, s.plan,
    to_char(s.expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS expired_at,
    (extract(epoch FROM s.expires_at) * 1000)::bigint AS expired_ms
  FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
  WHERE s.state = 'active' AND s.expires_at <= $1::timestamptz
  FOR NO KEY UPDATE OF c
), closed AS (
  UPDATE perennial.subscription s SET state = 'expired', next_try_at = 'infinity'
  FROM ended WHERE s.id = ended.id
), retired AS (
  UPDATE perennial.credential c SET retired_at = $1::timestamptz
  FROM ended WHERE c.subscription_id = ended.id AND c.retired_at IS NULL
  RETURNING c.id
), marked AS (
  INSERT INTO perennial.access_sync (node_id, credential_id, urgent, next_attempt_at, marked_at)
  SELECT n.id, retired.id, true, $1::timestamptz, $1::timestamptz
  FROM perennial.node n CROSS JOIN retired
  ON CONFLICT (node_id, credential_id) DO UPDATE SET
    version = nextval('perennial.access_sync_version'), urgent = true, attempts = 0,
    next_attempt_at = excluded.next_attempt_at, last_error = NULL, marked_at = excluded.marked_at
), told AS (
  INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
    params, next_attempt_at, created_at)
  SELECT customer_id, id, 'telegram', CASE kind WHEN 'trial' THEN 'trial_ended' ELSE 'expired' END,
    'expired:' || id || ':' || expired_ms,
    jsonb_build_object('plan', plan, 'expires_at', expired_at), $1::timestamptz, $1::timestamptz
  FROM ended
  ON CONFLICT (dedupe_key) DO NOTHING
), recorded AS (
  INSERT INTO perennial.event (customer_id, subject, action, actor, at, detail)
  SELECT customer_id, 'subscription:' || id, 'expired', 'ceiling', $1::timestamptz,
    jsonb_build_object('plan', plan, 'expires_at', expired_at)
  FROM ended
)
SELECT count(*) AS ended, pg_notify('perennial_wake', 'keep-node') FROM ended
