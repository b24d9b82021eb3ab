-- oldest-program: 0.1.0
-- Money that goes back: payouts, chargebacks, claims and payments that move to another customer.

-- `claim_minor` is what the customer owes after a chargeback that the balance did not cover.
ALTER TABLE perennial.customer
  ADD COLUMN claim_minor bigint NOT NULL DEFAULT 0 CHECK (claim_minor >= 0);

-- `woken_at` is the time of the payment that made an ended subscription due. This time decides
-- whether the payment came within the days of revival.
ALTER TABLE perennial.subscription ADD COLUMN woken_at timestamptz(3);

-- `payment_entry_id` is the payment that this entry moves (a top-up) or reverses (a chargeback).
-- `out_entry_id` of a moved payment is the entry that took the money from the customer before.
-- `dispute` is the id that the provider gave a chargeback. `claim_minor` is the change of the claim.
ALTER TABLE perennial.ledger_entry
  ADD COLUMN payment_entry_id bigint,
  ADD COLUMN out_entry_id bigint,
  ADD COLUMN dispute text,
  ADD COLUMN claim_minor bigint,
  DROP CONSTRAINT ledger_entry_kind_check,
  ADD CONSTRAINT ledger_entry_kind_check CHECK (kind IN ('opening', 'top_up', 'purchase',
    'renewal', 'refund', 'adjustment', 'payout', 'chargeback', 'claim')),
  DROP CONSTRAINT sign_fits_kind,
  ADD CONSTRAINT sign_fits_kind CHECK (CASE kind
    WHEN 'opening' THEN amount_minor > 0
    WHEN 'top_up' THEN amount_minor > 0
    WHEN 'refund' THEN amount_minor > 0
    WHEN 'adjustment' THEN amount_minor <> 0 OR claim_minor > 0
    WHEN 'payout' THEN amount_minor < 0
    WHEN 'claim' THEN amount_minor < 0
    ELSE amount_minor <= 0 END),
  ADD CONSTRAINT claim_fits_kind CHECK (CASE kind
    WHEN 'claim' THEN claim_minor IS NOT NULL AND claim_minor = amount_minor
    WHEN 'chargeback' THEN claim_minor IS NOT NULL AND claim_minor >= 0
    WHEN 'adjustment' THEN coalesce(claim_minor, 1) > 0
    ELSE claim_minor IS NULL END),
  ADD CONSTRAINT chargeback_names_its_payment CHECK (
    (kind = 'chargeback') = (dispute IS NOT NULL)
    AND (dispute IS NULL OR payment_entry_id IS NOT NULL AND provider_ref IS NOT NULL)),
  ADD CONSTRAINT move_names_both_entries CHECK (
    (kind = 'top_up' AND payment_entry_id IS NOT NULL) = (out_entry_id IS NOT NULL));

-- A payment is credited once. Later entries of the same payment name the entry before them, and
-- each entry has one successor.
DROP INDEX perennial.ledger_entry_provider_ref;
CREATE UNIQUE INDEX ledger_entry_provider_ref ON perennial.ledger_entry (provider, provider_ref)
  WHERE provider_ref IS NOT NULL AND payment_entry_id IS NULL;
CREATE INDEX ledger_entry_of_payment ON perennial.ledger_entry (provider, provider_ref, id)
  WHERE provider_ref IS NOT NULL AND payment_entry_id IS NOT NULL;
CREATE UNIQUE INDEX ledger_entry_payment ON perennial.ledger_entry (payment_entry_id)
  WHERE payment_entry_id IS NOT NULL;
CREATE UNIQUE INDEX ledger_entry_taken ON perennial.ledger_entry (out_entry_id)
  WHERE out_entry_id IS NOT NULL;
CREATE UNIQUE INDEX ledger_entry_dispute ON perennial.ledger_entry (provider, dispute)
  WHERE dispute IS NOT NULL;
