-- oldest-program: 0.1.0
-- The state at the last audit of everything that found no violation. `audit --since-last` checks
-- only the customers of rows that changed since then.

-- `horizon` is the oldest transaction that the snapshot of the audit did not see, as a 64-bit id.
-- `written_by` is the transaction that wrote this row. In a copy of the database that a restore
-- wrote, the row has another transaction, so the copy has no baseline.
-- `last_ids` are the highest ids by table. `terms` is a hash of prices and settings.
-- Retention deletes no notification after `notices_since`, and no event after `events_since`, until
-- 31 days later.
CREATE TABLE perennial.audit_baseline (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  at timestamptz(3) NOT NULL,
  horizon bigint NOT NULL,
  written_by bigint NOT NULL,
  last_ids jsonb NOT NULL,
  notices_since timestamptz(3) NOT NULL,
  events_since timestamptz(3) NOT NULL,
  terms text NOT NULL
);

-- A hash of the ids of the rows that were there, by table and by bucket of customers. It differs
-- after a row was deleted, or moved to another customer.
CREATE TABLE perennial.audit_digest (
  place text NOT NULL,
  bucket int NOT NULL,
  digest bigint NOT NULL,
  PRIMARY KEY (place, bucket)
);
