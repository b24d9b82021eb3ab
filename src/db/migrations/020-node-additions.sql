-- oldest-program: 0.1.0
-- The last time at which additions went on at a node that answers. Keepers write it with a probe
-- after a user was added or a filling went on. They also write it if the node returns after a long
-- outage, or has lost its users, because a wait begins then. Null: no probe has succeeded yet.
ALTER TABLE perennial.node ADD COLUMN added_at timestamptz(3);
