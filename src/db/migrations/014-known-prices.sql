-- oldest-program: 0.1.0
-- The amounts that customers know, so that a renewal takes no amount without a notification.

-- One row is an amount that a customer was notified of for a plan and a length of a subscription.
-- A message counts `renewal.notice` after `known_at`. The answer to a customer's choice and the
-- first terms of an import or a grant count at once. A payment deletes the rows that it replaces.
CREATE TABLE perennial.known_price (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint NOT NULL,
  subscription_id bigint NOT NULL,
  plan text NOT NULL REFERENCES perennial.plan,
  period_days int NOT NULL CHECK (period_days BETWEEN 1 AND 3660),
  amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
  source text NOT NULL CHECK (source IN ('message', 'choice', 'terms')),
  known_at timestamptz(3) NOT NULL,
  FOREIGN KEY (customer_id, subscription_id) REFERENCES perennial.subscription (customer_id, id)
);
CREATE INDEX known_price_of ON perennial.known_price (subscription_id, id);

-- A renewal that takes less than its price, because the customer knows only this amount.
ALTER TABLE perennial.period ADD COLUMN cap_minor bigint CHECK (cap_minor >= 0);

CREATE OR REPLACE FUNCTION perennial.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.refunded_at IS NOT NULL
     OR (NEW.id, NEW.subscription_id, NEW.customer_id, NEW.source, NEW.plan, NEW.starts_at,
         NEW.ends_at, NEW.amount_minor, NEW.currency, NEW.ledger_entry_id, NEW.period_days,
         NEW.list_minor, NEW.discount_percent, NEW.cap_minor)
       IS DISTINCT FROM
        (OLD.id, OLD.subscription_id, OLD.customer_id, OLD.source, OLD.plan, OLD.starts_at,
         OLD.ends_at, OLD.amount_minor, OLD.currency, OLD.ledger_entry_id, OLD.period_days,
         OLD.list_minor, OLD.discount_percent, OLD.cap_minor) THEN
    RAISE EXCEPTION 'period % can only be refunded, once', OLD.id
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'period_only_refunded';
  END IF;
  RETURN NEW;
END $$;

-- One row is a job: reminders of the subscriptions that a change of prices or settings affects are
-- due at once. Null columns mean every plan, length or currency. `after_at` and `after_id` are the
-- last subscription of the walk by end; `missed` are customers that were locked.
CREATE TABLE perennial.price_review (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  plan text REFERENCES perennial.plan,
  period_days int,
  currency text,
  after_at timestamptz(3),
  after_id bigint,
  missed bigint[] NOT NULL DEFAULT '{}',
  ordered_at timestamptz(3) NOT NULL
);

-- Notifications about one end: prices and renewals keep their distance from each other, too.
DROP INDEX perennial.notification_about_end;
CREATE INDEX notification_about_end ON perennial.notification (subscription_id, id)
  WHERE kind IN ('low_balance', 'ends_3d', 'ends_24h', 'ends_3h', 'trial_6h', 'trial_48h',
    'trial_ending', 'price_withdrawn', 'price_change', 'renewal_ahead');

-- Subscriptions from before this version that never paid for their next plan and length: the price
-- of today is the amount that the customer knows.
INSERT INTO perennial.known_price (customer_id, subscription_id, plan, period_days, amount_minor,
  source, known_at)
SELECT s.customer_id, s.id, list.plan, list.period_days,
  list.amount_minor * (100 - CASE WHEN c.vip
    THEN greatest(c.discount_percent, coalesce(
      (SELECT (value->>'vip_percent')::int FROM perennial.setting WHERE key = 'discounts'), 30))
    ELSE c.discount_percent END) / 100,
  'terms', perennial.clock()
FROM perennial.subscription s
JOIN perennial.customer c ON c.id = s.customer_id
JOIN (SELECT DISTINCT ON (plan, period_days, currency) plan, period_days, currency, amount_minor
  FROM perennial.plan_price WHERE valid_from <= perennial.clock()
  ORDER BY plan, period_days, currency, valid_from DESC) list
  ON list.plan = coalesce(s.next_plan, s.plan)
  AND list.period_days = coalesce(s.next_period_days, s.period_days)
  AND list.currency = c.currency AND list.amount_minor IS NOT NULL
WHERE s.kind = 'paid' AND s.state <> 'revoked' AND NOT EXISTS (
  SELECT FROM perennial.period p
  WHERE p.subscription_id = s.id AND p.ledger_entry_id IS NOT NULL AND p.refunded_at IS NULL
    AND p.plan = list.plan AND coalesce(p.period_days,
      round(extract(epoch FROM p.ends_at - p.starts_at) / 86400)::int) = list.period_days)
ORDER BY s.id;
