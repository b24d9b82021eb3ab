-- oldest-program: 0.1.0
-- When the courier looked last at what is due, and when its last walk began that went through all of
-- it. The watchdog compares them with what is due. Null: never.
ALTER TABLE perennial.courier ADD COLUMN looked_at timestamptz(3), ADD COLUMN passed_at timestamptz(3);
