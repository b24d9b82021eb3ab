-- oldest-program: 0.1.0
-- Bulk jobs: one change of many customers, each customer once.

CREATE TABLE perennial.bulk_job (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  action text NOT NULL CHECK (action IN ('grant', 'auto_renew', 'announcement')),
  params jsonb NOT NULL,
  filter jsonb NOT NULL,
  actor text NOT NULL,
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'cancelled')),
  total bigint NOT NULL CHECK (total >= 0),
  done bigint NOT NULL DEFAULT 0 CHECK (done >= 0),
  skipped bigint NOT NULL DEFAULT 0 CHECK (skipped >= 0),
  failed bigint NOT NULL DEFAULT 0 CHECK (failed >= 0),
  created_at timestamptz(3) NOT NULL,
  finished_at timestamptz(3),
  CONSTRAINT finished_has_its_time CHECK ((state = 'running') = (finished_at IS NULL)),
  CONSTRAINT counts_fit_the_total CHECK (done + skipped + failed <= total)
);
CREATE INDEX bulk_job_running ON perennial.bulk_job (id) WHERE state = 'running';

-- The customers of a job, fixed at its creation. `outcome` is null until a batch processes the
-- customer. Customers are never deleted, so a foreign key would only slow the creation down.
CREATE TABLE perennial.bulk_item (
  job_id bigint NOT NULL REFERENCES perennial.bulk_job,
  customer_id bigint NOT NULL,
  outcome text CHECK (outcome IN ('done', 'skipped', 'failed')),
  reason text,
  PRIMARY KEY (job_id, customer_id)
);
CREATE INDEX bulk_item_waiting ON perennial.bulk_item (job_id, customer_id) WHERE outcome IS NULL;
