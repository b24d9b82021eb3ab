-- oldest-program: 0.1.0
-- Steps of the clock that are no jump add up (`db/clock-trust.ts`, rule 8): their sum in ms, and the
-- uptime of the machine at which the sum began.
ALTER TABLE perennial.clock_witness
  ADD COLUMN stepped_ms bigint NOT NULL DEFAULT 0,
  ADD COLUMN steps_since_uptime_ms bigint NOT NULL DEFAULT 0;
