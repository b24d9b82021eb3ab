import { sql } from 'kysely';
import { formatCount } from '../kernel/count.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { defineCheck } from './check.ts';
import { stepBackMax } from './times.ts';

// Subscriptions and trials in states that no command and no worker creates.

interface OfSubscription {
  readonly customer_id: bigint;
  readonly id: bigint;
}

const toRows = ({ id }: OfSubscription) => ({ subscription: [id] });

const activeHasAPeriod = defineCheck<OfSubscription>({
  id: 'active-has-a-period',
  promise: null,
  title: 'an active subscription has a live period',
  find: () => sql`
    SELECT s.customer_id, s.id FROM subscription s
    WHERE s.state = 'active' AND NOT EXISTS (SELECT FROM period p
      WHERE p.subscription_id = s.id AND p.refunded_at IS NULL)`,
  rows: toRows,
  describe: ({ id }) => `subscription ${id} is active, and no live period defines its end`,
});

const expiredHasEnded = defineCheck<OfSubscription & { expires_at: Instant }>({
  id: 'expired-has-ended',
  promise: null,
  title: 'a subscription that expired has no time left',
  find: (now) => sql`
    SELECT customer_id, id, expires_at FROM subscription
    WHERE state = 'expired' AND expires_at > ${now} + ${stepBackMax}`,
  rows: toRows,
  describe: ({ id, expires_at }) =>
    `subscription ${id} is cut off, but it is paid until ${isoTime(expires_at)}`,
});

const renewalIsTried = defineCheck<OfSubscription>({
  id: 'renewal-is-tried',
  promise: null,
  title: 'an active subscription with auto-renewal has a next attempt',
  find: () => sql`
    SELECT customer_id, id FROM subscription
    WHERE kind = 'paid' AND state = 'active' AND auto_renew AND next_try_at = 'infinity'`,
  rows: toRows,
  describe: ({ id }) =>
    `subscription ${id} would never be renewed: its next attempt is at infinity`,
});

const nextPlanHasAPrice = defineCheck<OfSubscription & { plan: string; days: number }>({
  id: 'next-plan-has-a-price',
  promise: null,
  title: 'a plan that was chosen for the next period had a price',
  find: () => sql`
    SELECT s.customer_id, s.id, s.next_plan AS plan, s.next_period_days AS days
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.next_plan IS NOT NULL AND NOT EXISTS (SELECT FROM perennial.plan_price price
      WHERE price.plan = s.next_plan AND price.period_days = s.next_period_days
        AND price.currency = c.currency AND price.amount_minor IS NOT NULL)`,
  rows: toRows,
  describe: ({ id, plan, days, currency }) =>
    `subscription ${id} changes to ${plan} for ${formatCount(days, 'day')}, which never had a price in ${currency}`,
});

export const endsBeforeItsStart = sql`(p.ends_at <= p.starts_at)`;

const periodEndsAfterItsStart = defineCheck<{ customer_id: bigint; id: bigint }>({
  id: 'period-ends-after-its-start',
  promise: null,
  title: 'a period ends after its start',
  find: () => sql`
    SELECT p.customer_id, p.id FROM period p WHERE ${endsBeforeItsStart}`,
  rows: ({ id }) => ({ period: [id] }),
  describe: ({ id }) => `period ${id} ends before it starts`,
});

/** The answer is stored in the transaction of its request. */
const keyHasItsAnswer = defineCheck<{ customer_id: null; key: string }>({
  id: 'key-has-its-answer',
  promise: null,
  title: 'an idempotency key has the answer of its request',
  find: () => sql`
    SELECT NULL::bigint AS customer_id, scope || ' ' || key AS key
    FROM perennial.idempotency WHERE answer IS NULL`,
  rows: ({ key }) => ({ idempotency: [key] }),
  describe: ({ key }) => `the key of ${key} has no answer, so the request cannot be repeated`,
});

const paidHasAPaidPeriod = defineCheck<OfSubscription>({
  id: 'paid-was-got',
  promise: null,
  title: 'a paid subscription was bought, given or imported',
  find: () => sql`
    SELECT s.customer_id, s.id FROM subscription s
    WHERE s.kind = 'paid' AND NOT EXISTS (SELECT FROM period p
      WHERE p.subscription_id = s.id AND p.source <> 'trial')`,
  rows: toRows,
  describe: ({ id }) => `subscription ${id} is paid, but was never bought, given or imported`,
});

const trialIsFree = defineCheck<OfSubscription & { period_id: bigint }>({
  id: 'trial-is-free',
  promise: null,
  title: 'a trial has no charged period that is not refunded',
  find: () => sql`
    SELECT s.customer_id, s.id, min(p.id) AS period_id
    FROM subscription s JOIN period p ON p.subscription_id = s.id
    WHERE s.kind = 'trial' AND p.ledger_entry_id IS NOT NULL AND p.refunded_at IS NULL
    GROUP BY s.customer_id, s.id`,
  rows: ({ id, period_id }) => ({ subscription: [id], period: [period_id] }),
  describe: ({ id, period_id }) =>
    `subscription ${id} is a trial, but period ${period_id} was charged`,
});

const oneTrial = defineCheck<{
  customer_id: bigint;
  first_id: bigint;
  last_id: bigint;
  count: bigint;
}>({
  id: 'one-trial',
  promise: null,
  title: 'a customer has one trial, ever',
  find: () => sql`
    SELECT customer_id, min(id) AS first_id, max(id) AS last_id, count(*)
    FROM period WHERE source = 'trial' GROUP BY customer_id HAVING count(*) > 1`,
  rows: (row) => ({ period: [row.first_id, row.last_id] }),
  describe: (row) => `had ${row.count} trials`,
});

const trialIsNoted = defineCheck<{ customer_id: bigint; id: bigint }>({
  id: 'trial-is-noted',
  promise: null,
  title: 'a customer with a trial has the time of its use',
  find: () => sql`
    SELECT c.id AS customer_id, min(p.id) AS id
    FROM period p JOIN customer c ON c.id = p.customer_id
    WHERE p.source = 'trial' AND c.trial_used_at IS NULL GROUP BY c.id`,
  rows: ({ id }) => ({ period: [id] }),
  describe: ({ id }) =>
    `had a trial (period ${id}) and could have another one: trial_used_at is empty`,
});

export const impossibleSubscriptionChecks = [
  activeHasAPeriod,
  expiredHasEnded,
  renewalIsTried,
  nextPlanHasAPrice,
  periodEndsAfterItsStart,
  keyHasItsAnswer,
  paidHasAPaidPeriod,
  trialIsFree,
  oneTrial,
  trialIsNoted,
];
