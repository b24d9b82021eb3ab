-- oldest-program: 0.1.0
-- What a change of plans or nodes still has to mark. Whoever changes what a plan opens writes it with
-- the change; the credentials are marked afterwards, stretch by stretch, by whoever comes first.
CREATE TABLE perennial.marking (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  node_id text NOT NULL REFERENCES perennial.node,
  -- Whose credentials.
  plan text NOT NULL REFERENCES perennial.plan,
  -- They may not connect there any more.
  urgent boolean NOT NULL,
  -- What the node has of them is wrong and doesn't change by an add.
  replace boolean NOT NULL,
  -- The last credential that was looked at.
  after uuid,
  ordered_at timestamptz(3) NOT NULL,
  UNIQUE (node_id, plan)
);
