-- oldest-program: 0.1.0
-- The books: who the customers are, what they paid, and until when they may connect.
-- Times are timestamptz(3): the program counts in milliseconds, and a time that is stored is
-- equal to the time that was decided. Money is bigint minor units.

CREATE TABLE perennial.installation (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  made_by text NOT NULL DEFAULT 'migrate' CHECK (made_by IN ('migrate', 'demo')),
  test boolean NOT NULL DEFAULT false,
  clock_at timestamptz(3),
  CONSTRAINT only_a_test_has_a_stored_clock CHECK (test OR clock_at IS NULL)
);

-- The one clock. A test database has a stored one once it was set; every other one goes by the
-- server's. Read once a batch and passed on as a value.
CREATE FUNCTION perennial.clock() RETURNS timestamptz(3) LANGUAGE sql VOLATILE AS $$
  SELECT coalesce((SELECT clock_at FROM perennial.installation),
                  date_trunc('milliseconds', clock_timestamp()))
$$;

CREATE TABLE perennial.setting (
  key text PRIMARY KEY CHECK (key IN ('discounts', 'renewal', 'trial')),
  value jsonb NOT NULL
);

CREATE TABLE perennial.customer (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  telegram_id bigint NOT NULL UNIQUE CHECK (telegram_id > 0),
  locale text NOT NULL DEFAULT 'en' CHECK (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
  time_zone text NOT NULL DEFAULT 'UTC',
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  balance_minor bigint NOT NULL DEFAULT 0 CHECK (balance_minor >= 0),
  vip boolean NOT NULL DEFAULT false,
  discount_percent int NOT NULL DEFAULT 0 CHECK (discount_percent BETWEEN 0 AND 100),
  trial_used_at timestamptz(3),
  reachable boolean NOT NULL DEFAULT true,
  sub_token text NOT NULL UNIQUE CHECK (length(sub_token) >= 16),
  created_at timestamptz(3) NOT NULL
) WITH (fillfactor = 80); -- a debit changes no index: with room on the page it stays a HOT update

CREATE TABLE perennial.plan (
  key text PRIMARY KEY CHECK (key ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  title jsonb NOT NULL,
  groups text[] NOT NULL CHECK (cardinality(groups) > 0),
  retired_at timestamptz(3)
);

-- The price that counts at a moment is the one with the latest valid_from before it; a row
-- without an amount says that from then on there is none.
CREATE TABLE perennial.plan_price (
  plan text NOT NULL REFERENCES perennial.plan,
  period_days int NOT NULL CHECK (period_days BETWEEN 1 AND 3660),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  valid_from timestamptz(3) NOT NULL,
  amount_minor bigint CHECK (amount_minor > 0),
  PRIMARY KEY (plan, period_days, currency, valid_from)
);

CREATE TABLE perennial.subscription (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES perennial.customer,
  kind text NOT NULL CHECK (kind IN ('trial', 'paid')),
  plan text NOT NULL REFERENCES perennial.plan,
  period_days int NOT NULL CHECK (period_days BETWEEN 1 AND 3660),
  next_plan text REFERENCES perennial.plan,
  next_period_days int CHECK (next_period_days BETWEEN 1 AND 3660),
  state text NOT NULL CHECK (state IN ('active', 'expired', 'revoked')),
  started_at timestamptz(3) NOT NULL,
  expires_at timestamptz(3) NOT NULL CHECK (isfinite(expires_at)),
  auto_renew boolean NOT NULL DEFAULT true,
  next_try_at timestamptz(3),
  remind_at timestamptz(3),
  UNIQUE (customer_id, id),
  CONSTRAINT ends_after_its_start CHECK (expires_at >= started_at),
  CONSTRAINT next_is_plan_and_period CHECK ((next_plan IS NULL) = (next_period_days IS NULL)),
  CONSTRAINT a_trial_is_not_renewed CHECK (kind = 'paid' OR NOT auto_renew)
) WITH (fillfactor = 80);

-- Due for renewal: nothing that was tried and postponed, so that a tick with nothing to do reads
-- nearly nothing. An expired one is in here only from a top-up until it was looked at again.
CREATE INDEX subscription_due ON perennial.subscription (expires_at, id)
  WHERE kind = 'paid' AND auto_renew AND next_try_at IS NULL AND state IN ('active', 'expired');
CREATE INDEX subscription_retry ON perennial.subscription (next_try_at, id)
  WHERE kind = 'paid' AND auto_renew AND next_try_at IS NOT NULL AND state = 'active';
CREATE INDEX subscription_ending ON perennial.subscription (expires_at, id) WHERE state = 'active';
CREATE INDEX subscription_reminding ON perennial.subscription (remind_at, id)
  WHERE remind_at IS NOT NULL AND state = 'active';

CREATE TABLE perennial.ledger_entry (
  id bigint GENERATED ALWAYS AS IDENTITY,
  customer_id bigint NOT NULL REFERENCES perennial.customer,
  amount_minor bigint NOT NULL,
  balance_after_minor bigint NOT NULL CHECK (balance_after_minor >= 0),
  kind text NOT NULL
    CHECK (kind IN ('opening', 'top_up', 'purchase', 'renewal', 'refund', 'adjustment')),
  idempotency_key text NOT NULL UNIQUE,
  provider text,
  provider_ref text,
  created_at timestamptz(3) NOT NULL,
  PRIMARY KEY (customer_id, id),
  CONSTRAINT sign_fits_kind CHECK (CASE kind
    WHEN 'opening' THEN amount_minor > 0
    WHEN 'top_up' THEN amount_minor > 0
    WHEN 'refund' THEN amount_minor > 0
    WHEN 'adjustment' THEN amount_minor <> 0
    ELSE amount_minor <= 0 END)
);
CREATE UNIQUE INDEX ledger_entry_provider_ref ON perennial.ledger_entry (provider, provider_ref)
  WHERE provider_ref IS NOT NULL;

CREATE TABLE perennial.period (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subscription_id bigint NOT NULL,
  customer_id bigint NOT NULL,
  source text NOT NULL CHECK (source IN ('trial', 'purchase', 'renewal', 'grant', 'import')),
  plan text NOT NULL REFERENCES perennial.plan,
  starts_at timestamptz(3) NOT NULL,
  ends_at timestamptz(3) NOT NULL CHECK (isfinite(ends_at)),
  amount_minor bigint NOT NULL DEFAULT 0 CHECK (amount_minor >= 0),
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  ledger_entry_id bigint UNIQUE,
  refunded_at timestamptz(3),
  refund_entry_id bigint UNIQUE,
  FOREIGN KEY (customer_id, subscription_id) REFERENCES perennial.subscription (customer_id, id),
  FOREIGN KEY (customer_id, ledger_entry_id) REFERENCES perennial.ledger_entry (customer_id, id),
  FOREIGN KEY (customer_id, refund_entry_id) REFERENCES perennial.ledger_entry (customer_id, id),
  CONSTRAINT starts_before_its_end CHECK (starts_at < ends_at),
  CONSTRAINT paid_has_its_charge
    CHECK ((source IN ('purchase', 'renewal')) = (ledger_entry_id IS NOT NULL)),
  CONSTRAINT free_costs_nothing CHECK (ledger_entry_id IS NOT NULL OR amount_minor = 0),
  CONSTRAINT refund_has_its_time CHECK (refund_entry_id IS NULL OR refunded_at IS NOT NULL)
);
CREATE UNIQUE INDEX period_one_charge ON perennial.period (subscription_id, starts_at)
  WHERE refunded_at IS NULL;
CREATE INDEX period_refunded ON perennial.period (subscription_id, starts_at)
  WHERE refunded_at IS NOT NULL;

-- No overlap among the live periods of a subscription. An exclusion constraint promises the same,
-- asks its index for each row, and writes a tenth more WAL (docs/benchmarks.md); this asks once a
-- statement, for all its rows. It holds for whoever writes, also without the customer's
-- lock: the subscription is locked before the periods are read, so of two writers at once the
-- second sees what the first committed. That needs a new snapshot after the wait, hence the
-- refusal of other isolation levels.
CREATE FUNCTION perennial.refuse_overlap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  clash record;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'periods are written under READ COMMITTED only'
      USING ERRCODE = 'invalid_transaction_state';
  END IF;
  PERFORM 1 FROM perennial.subscription s
    WHERE s.id IN (SELECT subscription_id FROM written) ORDER BY s.id FOR NO KEY UPDATE;
  SELECT w.id, w.subscription_id, p.id AS other INTO clash
    FROM written w JOIN perennial.period p
      ON p.subscription_id = w.subscription_id AND p.id <> w.id AND p.refunded_at IS NULL
     AND p.starts_at < w.ends_at AND p.ends_at > w.starts_at
    WHERE w.refunded_at IS NULL LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'period % of subscription % overlaps period %',
      clash.id, clash.subscription_id, clash.other
      USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'period_no_overlap';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER period_no_overlap AFTER INSERT ON perennial.period
  REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION perennial.refuse_overlap();

-- What was sold stays as it was sold; the only thing that can still happen to it is its refund.
CREATE FUNCTION perennial.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.refunded_at IS NOT NULL
     OR (NEW.id, NEW.subscription_id, NEW.customer_id, NEW.source, NEW.plan, NEW.starts_at,
         NEW.ends_at, NEW.amount_minor, NEW.currency, NEW.ledger_entry_id)
       IS DISTINCT FROM
        (OLD.id, OLD.subscription_id, OLD.customer_id, OLD.source, OLD.plan, OLD.starts_at,
         OLD.ends_at, OLD.amount_minor, OLD.currency, OLD.ledger_entry_id) THEN
    RAISE EXCEPTION 'period % can only be refunded, once', OLD.id
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'period_only_refunded';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER period_only_refunded BEFORE UPDATE ON perennial.period
  FOR EACH ROW EXECUTE FUNCTION perennial.refuse_rewriting();

CREATE TABLE perennial.credential (
  id uuid PRIMARY KEY,
  subscription_id bigint NOT NULL,
  customer_id bigint NOT NULL,
  issued_at timestamptz(3) NOT NULL,
  retired_at timestamptz(3),
  FOREIGN KEY (customer_id, subscription_id) REFERENCES perennial.subscription (customer_id, id)
);
CREATE UNIQUE INDEX credential_one_live ON perennial.credential (subscription_id)
  WHERE retired_at IS NULL;
CREATE INDEX credential_retired ON perennial.credential (subscription_id, retired_at)
  WHERE retired_at IS NOT NULL;

CREATE TABLE perennial.node (
  id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
  api text NOT NULL UNIQUE,
  inbounds text[] NOT NULL CHECK (cardinality(inbounds) > 0),
  groups text[] NOT NULL CHECK (cardinality(groups) > 0),
  tls jsonb NOT NULL DEFAULT 'false',
  link jsonb NOT NULL,
  boot_at timestamptz(3),
  seeded_boot_at timestamptz(3),
  failures int NOT NULL DEFAULT 0 CHECK (failures >= 0),
  open_until timestamptz(3),
  keeper_epoch bigint NOT NULL DEFAULT 0,
  last_seen_at timestamptz(3),
  last_error text
);

CREATE SEQUENCE perennial.access_sync_version;
CREATE TABLE perennial.access_sync (
  node_id text NOT NULL REFERENCES perennial.node,
  credential_id uuid NOT NULL REFERENCES perennial.credential,
  version bigint NOT NULL DEFAULT nextval('perennial.access_sync_version'),
  urgent boolean NOT NULL DEFAULT true,
  attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at timestamptz(3) NOT NULL,
  last_error text,
  marked_at timestamptz(3) NOT NULL,
  PRIMARY KEY (node_id, credential_id)
);

CREATE TABLE perennial.notification (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint REFERENCES perennial.customer,
  subscription_id bigint,
  channel text NOT NULL,
  kind text NOT NULL,
  dedupe_key text NOT NULL UNIQUE,
  params jsonb NOT NULL,
  state text NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'sending', 'sent', 'uncertain', 'suppressed', 'failed')),
  reason text,
  attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at timestamptz(3) NOT NULL,
  sending_since timestamptz(3),
  sent_at timestamptz(3),
  message_id bigint,
  created_at timestamptz(3) NOT NULL,
  FOREIGN KEY (customer_id, subscription_id) REFERENCES perennial.subscription (customer_id, id),
  CONSTRAINT sending_has_its_start CHECK ((state = 'sending') <= (sending_since IS NOT NULL)),
  CONSTRAINT sent_has_its_time CHECK ((state = 'sent') <= (sent_at IS NOT NULL))
);
CREATE INDEX notification_owed ON perennial.notification (next_attempt_at, id)
  WHERE state IN ('pending', 'uncertain');
CREATE INDEX notification_of_customer ON perennial.notification (customer_id, id);
CREATE INDEX notification_sending ON perennial.notification (sending_since, id)
  WHERE state = 'sending';

CREATE TABLE perennial.quarantine (
  worker text NOT NULL,
  item text NOT NULL,
  reason text NOT NULL,
  attempts int NOT NULL DEFAULT 1 CHECK (attempts > 0),
  retry_at timestamptz(3) NOT NULL,
  first_seen_at timestamptz(3) NOT NULL,
  PRIMARY KEY (worker, item)
);

-- A replica is a number that it holds an advisory lock on while it lives, so that anybody can
-- tell a run that goes on from one whose process died.
CREATE SEQUENCE perennial.replica_number AS int CYCLE;
CREATE TABLE perennial.worker_run (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  worker text NOT NULL,
  replica text NOT NULL,
  replica_number int NOT NULL,
  started_at timestamptz(3) NOT NULL,
  finished_at timestamptz(3),
  outcome text NOT NULL DEFAULT 'running' CHECK (outcome IN
    ('running', 'success', 'partial', 'skipped', 'degraded', 'failed', 'lost')),
  examined bigint NOT NULL DEFAULT 0 CHECK (examined >= 0),
  changed bigint NOT NULL DEFAULT 0 CHECK (changed >= 0),
  failed bigint NOT NULL DEFAULT 0 CHECK (failed >= 0),
  detail jsonb NOT NULL DEFAULT '{}',
  CONSTRAINT ended_has_its_time CHECK ((outcome = 'running') = (finished_at IS NULL))
);
CREATE INDEX worker_run_running ON perennial.worker_run (worker) WHERE outcome = 'running';
CREATE INDEX worker_run_started ON perennial.worker_run (started_at);

CREATE TABLE perennial.event (
  id bigint GENERATED ALWAYS AS IDENTITY,
  customer_id bigint REFERENCES perennial.customer,
  subject text NOT NULL,
  action text NOT NULL,
  actor text NOT NULL,
  at timestamptz(3) NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX event_timeline ON perennial.event (customer_id, id);

CREATE TABLE perennial.idempotency (
  scope text NOT NULL,
  key text NOT NULL,
  fingerprint text NOT NULL,
  answer json, -- not jsonb: it keeps the order of its keys, an answer is given again as it was
  at timestamptz(3) NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_age ON perennial.idempotency (at);

-- Append-only: what is written stays. Asked once a statement, so that a batch pays nothing.
CREATE FUNCTION perennial.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'append_only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON perennial.ledger_entry
  FOR EACH STATEMENT EXECUTE FUNCTION perennial.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON perennial.event
  FOR EACH STATEMENT EXECUTE FUNCTION perennial.refuse_change();
CREATE TRIGGER period_is_kept BEFORE DELETE OR TRUNCATE ON perennial.period
  FOR EACH STATEMENT EXECUTE FUNCTION perennial.refuse_change();
