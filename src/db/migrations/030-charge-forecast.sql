-- oldest-program: 0.1.0
-- The stored forecast of charges, which the spend guard compares with each run.

-- One row has the charges of ten minutes in one currency, by the time at which they become due.
-- store-forecast replaces the rows from its own time on.
CREATE TABLE perennial.charge_forecast (
  at timestamptz(3) NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  charges bigint NOT NULL CHECK (charges > 0),
  amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
  PRIMARY KEY (at, currency)
);

-- The last subscription that the stored forecast contains. The spend guard does not compare later
-- ones. null: none is stored.
ALTER TABLE perennial.worker_state ADD COLUMN last_subscription_id bigint;
