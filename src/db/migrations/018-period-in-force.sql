-- oldest-program: 0.1.0
-- The terms of a subscription follow the period in force. Periods can move and leave served parts.

-- `changes_at` is the start of the next period with another plan or length.
ALTER TABLE perennial.subscription ADD COLUMN changes_at timestamptz(3);
CREATE INDEX subscription_changing ON perennial.subscription (changes_at, id)
  WHERE changes_at IS NOT NULL AND state = 'active';

-- `kind` is the kind of the subscription by a grant or an import; null if the source tells it.
-- `part_of` is set for a served part: the time of a refunded period that had passed at its refund.
-- A served part has no charge of its own. `moved_from` is the start that was sold.
ALTER TABLE perennial.period
  ADD COLUMN kind text CHECK (kind IN ('trial', 'paid')),
  ADD COLUMN part_of bigint UNIQUE REFERENCES perennial.period,
  ADD COLUMN moved_from timestamptz(3),
  DROP CONSTRAINT paid_has_its_charge,
  ADD CONSTRAINT paid_has_its_charge CHECK (
    (source IN ('purchase', 'renewal') AND part_of IS NULL) = (ledger_entry_id IS NOT NULL)),
  ADD CONSTRAINT served_part_is_kept CHECK (part_of IS NULL OR refunded_at IS NULL),
  ADD CONSTRAINT moves_to_an_earlier_start CHECK (moved_from > starts_at);

-- Two changes of a period are allowed. It is refunded once. Before that, it moves as a whole to an
-- earlier start, if a period before it was refunded. Everything else stays as it was sold.
CREATE OR REPLACE FUNCTION perennial.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  moves boolean := OLD.refunded_at IS NULL AND NEW.refunded_at IS NULL AND OLD.part_of IS NULL
    AND NEW.starts_at < OLD.starts_at
    AND NEW.ends_at - NEW.starts_at = OLD.ends_at - OLD.starts_at
    AND NEW.moved_from = coalesce(OLD.moved_from, OLD.starts_at);
BEGIN
  IF OLD.refunded_at IS NOT NULL
     OR NOT coalesce(moves, false) AND (NEW.starts_at, NEW.ends_at, NEW.moved_from)
       IS DISTINCT FROM (OLD.starts_at, OLD.ends_at, OLD.moved_from)
     OR (NEW.id, NEW.subscription_id, NEW.customer_id, NEW.source, NEW.plan, NEW.amount_minor,
         NEW.currency, NEW.ledger_entry_id, NEW.period_days, NEW.list_minor,
         NEW.discount_percent, NEW.cap_minor, NEW.kind, NEW.part_of)
       IS DISTINCT FROM
        (OLD.id, OLD.subscription_id, OLD.customer_id, OLD.source, OLD.plan, OLD.amount_minor,
         OLD.currency, OLD.ledger_entry_id, OLD.period_days, OLD.list_minor,
         OLD.discount_percent, OLD.cap_minor, OLD.kind, OLD.part_of) THEN
    RAISE EXCEPTION 'period % can only be refunded, once, or moved to an earlier start', OLD.id
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'period_only_refunded';
  END IF;
  RETURN NEW;
END $$;

-- A period that moves must not overlap another one.
CREATE TRIGGER period_no_overlap_after_move AFTER UPDATE ON perennial.period
  REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION perennial.refuse_overlap();
