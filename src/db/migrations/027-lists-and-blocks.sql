-- oldest-program: 0.1.0
-- Blocked customers, and the indexes of lists.

-- A blocked customer buys nothing, is not renewed, and has no access.
ALTER TABLE perennial.customer
  ADD COLUMN blocked_at timestamptz(3),
  ADD COLUMN blocked_reason text,
  ADD CONSTRAINT block_has_its_reason CHECK ((blocked_at IS NULL) = (blocked_reason IS NULL));

-- Few customers are in these indexes, and no change of a balance writes them.
CREATE INDEX customer_blocked ON perennial.customer (id) WHERE blocked_at IS NOT NULL;
CREATE INDEX customer_unreachable ON perennial.customer (id) WHERE NOT reachable;

-- With `subscription_ending` it lists all subscriptions by their end. A renewal does not write it.
CREATE INDEX subscription_ended ON perennial.subscription (state, expires_at, id)
  WHERE state <> 'active';
