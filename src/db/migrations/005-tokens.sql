-- oldest-program: 0.1.0
-- Who may use the HTTP API. A token is shown once, when it is made; here is only its hash.
CREATE TABLE perennial.token (
  id text PRIMARY KEY CHECK (id ~ '^[0-9A-Za-z]{8}$'),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  scopes text[] NOT NULL CHECK (scopes <@ '{read,sell,admin}' AND cardinality(scopes) > 0),
  hash bytea NOT NULL CHECK (length(hash) = 32),
  created_at timestamptz(3) NOT NULL,
  expires_at timestamptz(3),
  revoked_at timestamptz(3),
  last_used_at timestamptz(3)
) WITH (fillfactor = 70); -- its last use is written each minute: a HOT update
