-- oldest-program: 0.1.0
-- Idempotency keys have an owner: the id of the API token, or '' for the command line.

-- The owner of a key that was stored before is unknown ('?'). Such a key still counts for each
-- owner, so that a request which is repeated across the upgrade is not done twice.
ALTER TABLE perennial.idempotency ADD COLUMN owner text NOT NULL DEFAULT '?';
ALTER TABLE perennial.idempotency DROP CONSTRAINT idempotency_pkey;
ALTER TABLE perennial.idempotency ADD PRIMARY KEY (scope, key, owner);

-- `metrics` reads /metrics and nothing else.
ALTER TABLE perennial.token DROP CONSTRAINT token_scopes_check;
ALTER TABLE perennial.token ADD CONSTRAINT token_scopes_check
  CHECK (scopes <@ '{read,sell,admin,metrics}' AND cardinality(scopes) > 0);

-- Lists of notifications by kind, by state, or by both, the newest first. The list reads the
-- newest rows of each kind and state, so a page costs the same at any size of the table.
CREATE INDEX notification_list ON perennial.notification (kind, state, id);
