-- oldest-program: 0.1.0
-- What tells a wrong time of the database from a right one (`db/clock-trust.ts`).

-- `mark_at` is the latest time that was trusted. A suspicious time never becomes the mark.
-- `beat` counts the updates of this row. A replica that saw a higher count saw commits that are lost.
-- `synchronous` is true if a standby confirmed each commit when the row was written.
-- Deletions by age go by `deletions_at`. `deletions_next_at` takes its place after an hour.
CREATE TABLE perennial.clock_state (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  mark_at timestamptz(3),
  beat bigint NOT NULL DEFAULT 0,
  timeline int,
  synchronous boolean NOT NULL DEFAULT false,
  deletions_at timestamptz(3),
  deletions_next_at timestamptz(3),
  suspect_cause text CHECK (suspect_cause IN ('ahead', 'back', 'commits_lost')),
  suspect_by_ms bigint,
  suspect_reason text,
  suspect_at timestamptz(3),
  CONSTRAINT suspicion_is_whole CHECK (
    num_nulls(suspect_cause, suspect_by_ms, suspect_reason, suspect_at) IN (0, 4))
);
INSERT INTO perennial.clock_state DEFAULT VALUES;

-- Clocks that only go forward: of a boot of a machine that runs Perennial, and of a node. At the
-- trusted time `at` the clock showed `uptime_ms`, and `since_uptime_ms` when it became a witness.
-- With `is_floor` the time was at least `at`.
CREATE TABLE perennial.clock_witness (
  id text PRIMARY KEY,
  name text NOT NULL,
  uptime_ms bigint NOT NULL CHECK (uptime_ms >= 0),
  since_uptime_ms bigint NOT NULL CHECK (since_uptime_ms >= 0),
  at timestamptz(3) NOT NULL,
  is_floor boolean NOT NULL DEFAULT false
);

-- The uptime that the node stated at `last_seen_at`.
ALTER TABLE perennial.node ADD COLUMN uptime_s bigint CHECK (uptime_s >= 0);
