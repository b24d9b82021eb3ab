-- The ceiling of reminders: all due reminders of trials as one statement, with all writes of the
-- engine: the notification and the next check. It holds all locks until its end, and has no quiet
-- hours and no quarantine. One failure undoes all.
-- $1: now.
WITH due AS MATERIALIZED (
  SELECT s.id, s.customer_id, s.plan, s.started_at, s.expires_at
  FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
  WHERE s.state = 'active' AND s.remind_at <= $1::timestamptz AND s.kind = 'trial'
    AND s.expires_at > $1::timestamptz AND NOT EXISTS (
      SELECT FROM perennial.subscription paid
      WHERE paid.customer_id = s.customer_id AND paid.kind = 'paid' AND paid.state = 'active'
        AND paid.expires_at > $1::timestamptz)
  FOR NO KEY UPDATE OF c
), decided AS MATERIALIZED (
  SELECT due.*, reminder.*
  FROM due CROSS JOIN LATERAL (
    SELECT kind, at, lead(at) OVER (ORDER BY at) AS next_at FROM (VALUES
      ('trial_6h', started_at + interval '6 hours'),
      ('trial_48h', started_at + interval '48 hours'),
      ('trial_ending', expires_at - interval '6 hours')) AS reminders(kind, at)) AS reminder
  WHERE reminder.at <= $1::timestamptz
    AND (reminder.next_at IS NULL OR reminder.next_at > $1::timestamptz)
), told AS (
  INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
    params, next_attempt_at, created_at)
  SELECT customer_id, id, 'telegram', kind,
    kind || ':' || id || ':' || (extract(epoch FROM at) * 1000)::bigint,
    jsonb_build_object('plan', plan,
      'expires_at', to_char(expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
    $1::timestamptz, $1::timestamptz
  FROM decided
  ON CONFLICT (dedupe_key) DO NOTHING
), looked AS (
  UPDATE perennial.subscription s SET remind_at = decided.next_at
  FROM decided WHERE s.id = decided.id
)
SELECT count(*) AS reminded FROM decided;
