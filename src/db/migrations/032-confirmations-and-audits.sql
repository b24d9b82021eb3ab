-- oldest-program: 0.1.0
-- Confirmations of changes that a guard holds, and the results of the last audits.

-- A person confirmed `held` changes of a worker, or of a node. Each batch that makes some of them
-- subtracts them in its own transaction. The row is deleted when none is left. A confirmation counts
-- for ten minutes, and while prices and settings are the same as in `terms`.
CREATE TABLE perennial.confirmation (
  worker text NOT NULL,
  subject text NOT NULL,
  held bigint NOT NULL CHECK (held > 0),
  terms text NOT NULL,
  actor text NOT NULL,
  confirmed_at timestamptz(3) NOT NULL,
  PRIMARY KEY (worker, subject)
);

-- The last audit of everything, and the last audit of what changed since then.
CREATE TABLE perennial.audit_result (
  kind text PRIMARY KEY CHECK (kind IN ('everything', 'changes')),
  at timestamptz(3) NOT NULL,
  violations bigint NOT NULL CHECK (violations >= 0),
  took_ms bigint NOT NULL CHECK (took_ms >= 0)
);
