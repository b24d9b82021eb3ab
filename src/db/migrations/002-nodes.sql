-- oldest-program: 0.1.0
-- What keepers of nodes need: how we are called there, how far a node was filled again after its
-- start, and marks in the order in which they are worked off.

-- Prefixes our users' names on the nodes; another name would make all of them somebody else's.
ALTER TABLE perennial.installation
  ADD COLUMN name text NOT NULL DEFAULT 'perennial' CHECK (name ~ '^[a-z0-9]{1,32}$');

-- After a start of the node all who may connect are marked, stretch by stretch in the order of the
-- credentials. seeded_boot_at is equal to boot_at once the last of them was marked.
ALTER TABLE perennial.node
  ADD COLUMN seed_after uuid,
  ADD COLUMN seed_marked bigint NOT NULL DEFAULT 0 CHECK (seed_marked >= 0),
  -- Written every 2 s by its keeper, never in an indexed column: with room on the page it stays a
  -- HOT update.
  SET (fillfactor = 50);

ALTER TABLE perennial.access_sync
  -- What the node has under the name is wrong and doesn't change by an add: removed first.
  ADD COLUMN replace boolean NOT NULL DEFAULT false,
  -- How often an add of it ended with the node's life. Such a one is sent alone.
  ADD COLUMN lost int NOT NULL DEFAULT 0 CHECK (lost >= 0);
CREATE INDEX access_sync_due ON perennial.access_sync (node_id, urgent, next_attempt_at);
