-- oldest-program: 0.1.0
-- How the comparison of each node with the books went. Apart from what its keeper writes of it: a
-- node may answer every probe and still not be able to list its users.
ALTER TABLE perennial.node
  ADD COLUMN reconciled_at timestamptz(3),
  ADD COLUMN reconcile_failures int NOT NULL DEFAULT 0 CHECK (reconcile_failures >= 0),
  ADD COLUMN reconcile_open_until timestamptz(3),
  ADD COLUMN reconcile_error text;
