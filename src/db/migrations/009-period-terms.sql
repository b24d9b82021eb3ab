-- oldest-program: 0.1.0
-- The terms of a period: its length and how its price was computed.

-- `period_days` is the length that was sold. A later renewal of the subscription takes the same
-- length. It is null in old rows, and in grants that prolong a subscription.
-- `list_minor` and `discount_percent` explain `amount_minor`. They are null without a price.
ALTER TABLE perennial.period
  ADD COLUMN period_days int CHECK (period_days BETWEEN 1 AND 3660),
  ADD COLUMN list_minor bigint CHECK (list_minor > 0),
  ADD COLUMN discount_percent int CHECK (discount_percent BETWEEN 0 AND 100);

CREATE OR REPLACE FUNCTION perennial.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.refunded_at IS NOT NULL
     OR (NEW.id, NEW.subscription_id, NEW.customer_id, NEW.source, NEW.plan, NEW.starts_at,
         NEW.ends_at, NEW.amount_minor, NEW.currency, NEW.ledger_entry_id, NEW.period_days,
         NEW.list_minor, NEW.discount_percent)
       IS DISTINCT FROM
        (OLD.id, OLD.subscription_id, OLD.customer_id, OLD.source, OLD.plan, OLD.starts_at,
         OLD.ends_at, OLD.amount_minor, OLD.currency, OLD.ledger_entry_id, OLD.period_days,
         OLD.list_minor, OLD.discount_percent) THEN
    RAISE EXCEPTION 'period % can only be refunded, once', OLD.id
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'period_only_refunded';
  END IF;
  RETURN NEW;
END $$;
