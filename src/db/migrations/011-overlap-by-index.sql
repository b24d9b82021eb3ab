-- oldest-program: 0.1.0
-- The check of overlaps with a plan that does not depend on statistics. An import into new tables
-- has none, and the join of all its rows with all periods was quadratic.
--
-- Each written row does two lookups in period_one_charge: the live period before its start, and the
-- one after it. Periods that were stored before do not overlap each other. Of written rows that
-- overlap, two are neighbours. So the work of a row does not grow with the history either.
-- The settings are of the function only: a sequential scan per row is never chosen.
CREATE OR REPLACE FUNCTION perennial.refuse_overlap() RETURNS trigger LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_indexscan = on AS $$
DECLARE
  clash record;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'periods are written under READ COMMITTED only'
      USING ERRCODE = 'invalid_transaction_state';
  END IF;
  -- In the order of the ids, so that two writers never wait for each other.
  PERFORM 1 FROM (SELECT DISTINCT subscription_id FROM written ORDER BY 1) w
    CROSS JOIN LATERAL (
      SELECT 1 FROM perennial.subscription s WHERE s.id = w.subscription_id
      FOR NO KEY UPDATE) locked;
  SELECT w.id, w.subscription_id, near.id AS other INTO clash
    FROM written w CROSS JOIN LATERAL (
      (SELECT p.id FROM (
         SELECT p.id, p.ends_at FROM perennial.period p
         WHERE p.subscription_id = w.subscription_id AND p.refunded_at IS NULL
           AND p.starts_at < w.starts_at
         ORDER BY p.starts_at DESC LIMIT 1) p
       WHERE p.ends_at > w.starts_at)
      UNION ALL
      (SELECT p.id FROM perennial.period p
       WHERE p.subscription_id = w.subscription_id AND p.refunded_at IS NULL
         AND p.starts_at > w.starts_at AND p.starts_at < w.ends_at
       ORDER BY p.starts_at LIMIT 1)) near
    WHERE w.refunded_at IS NULL LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'period % of subscription % overlaps period %',
      clash.id, clash.subscription_id, clash.other
      USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'period_no_overlap';
  END IF;
  RETURN NULL;
END $$;
