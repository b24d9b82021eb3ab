-- oldest-program: 0.1.0
-- The latest time that a run or a command saw. A time behind it is a step back of the clock: then
-- times that lie too far ahead are pulled back (`workers/time-columns.ts`).
ALTER TABLE perennial.installation ADD COLUMN clock_high_at timestamptz(3);
