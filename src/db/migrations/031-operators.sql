-- oldest-program: 0.1.0
-- Operators of the dashboard: one-time links and sessions. A secret is shown once, when it is made;
-- here is only its hash. Their times are those of the server, also in a test database: its stored
-- clock may pass a lifetime of 12 h in seconds.

CREATE TABLE perennial.operator_link (
  id text PRIMARY KEY CHECK (id ~ '^[0-9A-Za-z]{8}$'),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  scope text NOT NULL CHECK (scope IN ('read', 'sell', 'admin')),
  hash bytea NOT NULL CHECK (length(hash) = 32),
  created_at timestamptz(3) NOT NULL,
  expires_at timestamptz(3) NOT NULL,
  revoked_at timestamptz(3)
);

-- A link opens at most one session: `link_id` is unique.
CREATE TABLE perennial.operator_session (
  id text PRIMARY KEY CHECK (id ~ '^[0-9A-Za-z]{8}$'),
  link_id text NOT NULL UNIQUE REFERENCES perennial.operator_link,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  scope text NOT NULL CHECK (scope IN ('read', 'sell', 'admin')),
  hash bytea NOT NULL CHECK (length(hash) = 32),
  created_at timestamptz(3) NOT NULL,
  expires_at timestamptz(3) NOT NULL,
  ended_at timestamptz(3),
  last_used_at timestamptz(3)
) WITH (fillfactor = 70); -- its last use is written each minute: a HOT update
