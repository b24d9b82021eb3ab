-- oldest-program: 0.1.0
-- Since when a node does not answer. Keepers write it with the first probe that fails and clear it
-- with the next good one; raise-alarms writes it for a node that no replica keeps; `apply` writes it
-- for a new node, which no keeper has reached yet. Null: the node answers.
ALTER TABLE perennial.node ADD COLUMN down_since timestamptz(3);
UPDATE perennial.node SET down_since = perennial.clock()
WHERE failures > 0 OR last_seen_at IS NULL;
