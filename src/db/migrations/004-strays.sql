-- oldest-program: 0.1.0
-- Credentials that were exchanged, and users of a node who are to go although no credential of the
-- books says so.

ALTER TABLE perennial.credential
  -- Another one was issued in its stead: it is never given back, also not by a revival.
  ADD COLUMN replaced boolean NOT NULL DEFAULT false
  CONSTRAINT replaced_is_retired CHECK (NOT replaced OR retired_at IS NOT NULL);

-- A name on a node that a person looked at and wants gone. No mark can say that: a mark is about a
-- credential of the books. Its keeper works it off under the same fences (version, epoch, life of
-- the node), and asks books and node once more before it calls. What is in here stands for that
-- name alone, in that life of the node: nobody who comes later is confirmed by it.
CREATE TABLE perennial.stray (
  node_id text NOT NULL REFERENCES perennial.node,
  -- As the node lists it.
  name text NOT NULL CHECK (name <> ''),
  -- The credential in a name of ours. Without `shared` the books have never heard of it.
  ours uuid,
  -- The credential of the books whose UUID the name carries: removing it takes that one off too, so
  -- its own name is removed and added afterwards.
  shared uuid REFERENCES perennial.credential,
  -- The life of the node in which it was seen; NULL: of a node that nobody has kept yet.
  boot_at timestamptz(3),
  version bigint NOT NULL DEFAULT nextval('perennial.access_sync_version'),
  attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at timestamptz(3) NOT NULL,
  last_error text,
  confirmed_at timestamptz(3) NOT NULL,
  PRIMARY KEY (node_id, name),
  CONSTRAINT ours_or_shared CHECK (ours IS NOT NULL OR shared IS NOT NULL)
);
