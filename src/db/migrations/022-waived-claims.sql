-- oldest-program: 0.1.0
-- A claim can be waived, and comes with an import: an adjustment that changes only the claim.

ALTER TABLE perennial.ledger_entry
  DROP CONSTRAINT sign_fits_kind,
  ADD CONSTRAINT sign_fits_kind CHECK (CASE kind
    WHEN 'opening' THEN amount_minor > 0
    WHEN 'top_up' THEN amount_minor > 0
    WHEN 'refund' THEN amount_minor > 0
    WHEN 'adjustment' THEN amount_minor <> 0 OR coalesce(claim_minor, 0) <> 0
    WHEN 'payout' THEN amount_minor < 0
    WHEN 'claim' THEN amount_minor < 0
    ELSE amount_minor <= 0 END) NOT VALID,
  DROP CONSTRAINT claim_fits_kind,
  ADD CONSTRAINT claim_fits_kind CHECK (CASE kind
    WHEN 'claim' THEN claim_minor IS NOT NULL AND claim_minor = amount_minor
    WHEN 'chargeback' THEN claim_minor IS NOT NULL AND claim_minor >= 0
    WHEN 'adjustment' THEN coalesce(claim_minor, 1) > 0 OR amount_minor = 0 AND claim_minor < 0
    ELSE claim_minor IS NULL END) NOT VALID;
ALTER TABLE perennial.ledger_entry VALIDATE CONSTRAINT sign_fits_kind;
ALTER TABLE perennial.ledger_entry VALIDATE CONSTRAINT claim_fits_kind;
