-- oldest-program: 0.1.0
-- Retention of history, the progress of workers, and bounded work for a customer with very many
-- subscriptions.

-- The other messages about one end.
CREATE INDEX notification_about_end ON perennial.notification (subscription_id, id)
  WHERE kind IN ('low_balance', 'ends_3d', 'ends_24h', 'ends_3h', 'trial_6h', 'trial_48h',
    'trial_ending');

-- How far each worker is. The watchdog reads it, because an idle run leaves no record.
CREATE TABLE perennial.worker_state (
  worker text PRIMARY KEY,
  -- Counts the runs that began.
  runs bigint NOT NULL DEFAULT 0,
  -- When the last run began that went through everything that was due.
  passed_at timestamptz(3)
) WITH (fillfactor = 50); -- written with each run: a HOT update

-- A configuration key is checked by the program that writes it.
ALTER TABLE perennial.setting DROP CONSTRAINT setting_key_check;
ALTER TABLE perennial.setting ADD CONSTRAINT setting_key_check CHECK (key ~ '^[a-z_]{1,32}$');

-- What retention has deleted: all that is older may be gone. The audit requires it no longer.
CREATE TABLE perennial.pruned (
  kind text PRIMARY KEY CHECK (kind IN ('notices', 'events')),
  before timestamptz(3) NOT NULL
);

-- Rows that are older than the retention, in their order.
CREATE INDEX event_age ON perennial.event (at);

-- The timeline stays append-only, but for rows that are older than `retention.events`. Nothing that
-- is younger than 30 days is ever deleted.
CREATE FUNCTION perennial.refuse_young_events() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  kept_ms bigint := greatest(2592000000, coalesce(
    (SELECT (value->>'events_ms')::bigint FROM perennial.setting WHERE key = 'retention'),
    94608000000)); -- 3 years
BEGIN
  IF EXISTS (SELECT FROM deleted
    WHERE at >= perennial.clock() - kept_ms * interval '1 millisecond') THEN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'append_only';
  END IF;
  RETURN NULL;
END $$;
DROP TRIGGER append_only ON perennial.event;
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON perennial.event
  FOR EACH STATEMENT EXECUTE FUNCTION perennial.refuse_change();
CREATE TRIGGER append_only_but_old AFTER DELETE ON perennial.event
  REFERENCING OLD TABLE AS deleted
  FOR EACH STATEMENT EXECUTE FUNCTION perennial.refuse_young_events();
