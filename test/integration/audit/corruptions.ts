import type { ViolationRows } from '../../../src/audit/check.ts';
import {
  type AuditScene,
  entrySql,
  followingPeriodSql,
  refundedPeriodSql,
  trialSql,
} from '../../support/corruption.ts';
import { notificationCorruptions } from './notification-corruptions.ts';
import { saleCorruptions } from './sale-corruptions.ts';
import { timeCorruptions } from './time-corruptions.ts';

// Corruptions for each check: each one violates this check and no other.

export interface Corruption {
  readonly check: string;
  readonly what: string;
  readonly statements: (scene: AuditScene) => string;
  /** Rows that the first violation names, if they are known beforehand. */
  readonly rows?: (scene: AuditScene) => ViolationRows;
  /** How many violations name the victim. The default is 1. */
  readonly violations?: number;
  /** Further checks that find it. */
  readonly also?: readonly string[];
}

const receipt = ({ victim }: AuditScene) => `dedupe_key = 'receipt:${victim.charge}'`;

const moneyCorruptions: readonly Corruption[] = [
  {
    check: 'balance-is-its-ledger',
    what: 'a balance raised by hand',
    statements: ({ victim }) =>
      `UPDATE customer SET balance_minor = balance_minor + 1 WHERE id = ${victim.customer}`,
    rows: ({ victim }) => ({ customer: [victim.customer] }),
    also: ['balance-adds-up'],
  },
  {
    check: 'balance-adds-up',
    what: 'a payout that raised the balance',
    statements: ({ victim, newEntry }) => `
      ALTER TABLE ledger_entry DROP CONSTRAINT IF EXISTS sign_fits_kind;
      ${entrySql(victim, newEntry, 'payout', 100)}`,
    rows: ({ victim }) => ({ customer: [victim.customer] }),
  },
  {
    check: 'balance-not-negative',
    what: 'an adjustment below zero',
    statements: ({ victim, newEntry }) => `
      ALTER TABLE customer DROP CONSTRAINT IF EXISTS customer_balance_minor_check;
      ALTER TABLE ledger_entry DROP CONSTRAINT IF EXISTS ledger_entry_balance_after_minor_check;
      ${entrySql(victim, newEntry, 'adjustment', -501_00)}`,
    rows: ({ newEntry }) => ({ ledger_entry: [newEntry] }),
    violations: 2,
  },
  {
    check: 'ledger-runs-on',
    what: 'an entry whose balance was changed',
    also: ['receipt-is-of-its-charge'],
    statements: ({ victim }) => `
      UPDATE ledger_entry SET balance_after_minor = balance_after_minor + 7
      WHERE id = ${victim.charge}`,
    rows: ({ victim }) => ({ ledger_entry: [victim.charge] }),
  },
  {
    check: 'ledger-id-once',
    what: 'two customers whose entries have one id',
    statements: ({ victim, other, newEntry }) =>
      entrySql(victim, newEntry, 'top_up', 100) + entrySql(other, newEntry, 'top_up', 100),
    rows: ({ victim, other, newEntry }) => ({
      ledger_entry: [newEntry],
      customer: [victim.customer, other.customer],
    }),
  },
  {
    check: 'claim-is-its-ledger',
    what: 'a claim without a chargeback',
    statements: ({ victim }) => `UPDATE customer SET claim_minor = 1 WHERE id = ${victim.customer}`,
    rows: ({ victim }) => ({ customer: [victim.customer] }),
  },
  {
    check: 'claim-not-negative',
    what: 'a claim that was paid before it was claimed',
    statements: ({ victim, newEntry }) => `
      INSERT INTO ledger_entry (id, customer_id, amount_minor, balance_after_minor, kind,
        idempotency_key, claim_minor, created_at)
      OVERRIDING SYSTEM VALUE
      SELECT ${newEntry}, id, -500, balance_minor - 500, 'claim', 'planted:${newEntry}', -500, clock()
      FROM customer WHERE id = ${victim.customer};
      UPDATE customer SET balance_minor = balance_minor - 500 WHERE id = ${victim.customer};`,
    rows: ({ newEntry }) => ({ ledger_entry: [newEntry] }),
    also: ['claim-is-its-ledger'],
  },
  {
    check: 'entry-is-in-the-timeline',
    what: 'money that was paid out without an event',
    statements: ({ victim, newEntry }) => `
      ${entrySql(victim, newEntry, 'payout', -100)}
      DELETE FROM event WHERE detail->>'ledger_entry_id' = '${newEntry}';`,
    rows: ({ newEntry }) => ({ ledger_entry: [newEntry] }),
  },
  {
    check: 'payment-is-one',
    what: 'a moved payment without a previous customer',
    also: ['entry-is-in-the-timeline'],
    statements: ({ victim, newEntry }) => `
      INSERT INTO ledger_entry (id, customer_id, amount_minor, balance_after_minor, kind,
        idempotency_key, provider, provider_ref, payment_entry_id, out_entry_id, created_at)
      OVERRIDING SYSTEM VALUE
      SELECT ${newEntry}, id, 100, balance_minor + 100, 'top_up', 'planted:${newEntry}', 'cards',
        'r-2', ${victim.topUp}, ${newEntry} + 1, clock() FROM customer WHERE id = ${victim.customer};
      UPDATE customer SET balance_minor = balance_minor + 100 WHERE id = ${victim.customer};`,
    rows: ({ victim, newEntry }) => ({ ledger_entry: [newEntry, victim.topUp] }),
  },
  {
    check: 'payment-is-one',
    what: 'a chargeback of a charge',
    also: ['entry-is-in-the-timeline'],
    statements: ({ victim, newEntry }) => `
      INSERT INTO ledger_entry (id, customer_id, amount_minor, balance_after_minor, kind,
        idempotency_key, provider, provider_ref, payment_entry_id, dispute, claim_minor, created_at)
      OVERRIDING SYSTEM VALUE
      SELECT ${newEntry}, id, 0, balance_minor, 'chargeback', 'planted:${newEntry}', 'cards', 'r-1',
        ${victim.charge}, 'd-1', 0, created_at FROM customer WHERE id = ${victim.customer};`,
    rows: ({ victim, newEntry }) => ({ ledger_entry: [newEntry, victim.charge] }),
  },
  {
    check: 'one-period-a-start',
    what: 'the same month twice',
    also: ['grant-is-its-event'],
    statements: ({ victim }) => `
      DROP INDEX IF EXISTS period_one_charge;
      INSERT INTO period (subscription_id, customer_id, source, plan, starts_at, ends_at, currency)
      SELECT subscription_id, customer_id, 'grant', plan, starts_at, ends_at, currency
      FROM period WHERE id = ${victim.period}`,
  },
  {
    check: 'no-overlap',
    what: 'a period that begins within another',
    also: ['grant-is-its-event'],
    statements: ({ victim }) => `
      INSERT INTO period (subscription_id, customer_id, source, plan, starts_at, ends_at, currency)
      SELECT subscription_id, customer_id, 'grant', plan, starts_at + interval '1 ms', ends_at,
        currency
      FROM period WHERE id = ${victim.period}`,
  },
];

const chargeCorruptions: readonly Corruption[] = [
  {
    check: 'charge-pays-one-period',
    what: 'a charge without a period',
    also: ['charges-are-accounted'],
    statements: ({ victim, newEntry }) => `
      ${entrySql(victim, newEntry, 'renewal', -149_00)}
      INSERT INTO notification (customer_id, channel, kind, dedupe_key, params, next_attempt_at,
        created_at)
      VALUES (${victim.customer}, 'telegram', 'receipt', 'receipt:${newEntry}', '{}', clock(), clock())`,
    rows: ({ newEntry }) => ({ ledger_entry: [newEntry] }),
  },
  {
    check: 'charge-pays-one-period',
    what: 'a charge for two periods',
    also: ['receipt-is-of-its-charge', 'charges-are-accounted'],
    statements: ({ victim }) => `
      ALTER TABLE period DROP CONSTRAINT IF EXISTS period_ledger_entry_id_key;
      ${followingPeriodSql(victim, { source: "'purchase'", amount_minor: 149_00, ledger_entry_id: victim.charge })}`,
  },
  {
    check: 'period-has-its-charge',
    what: 'a renewal without a charge',
    statements: ({ victim }) => `
      ALTER TABLE period DROP CONSTRAINT IF EXISTS paid_has_its_charge;
      ${followingPeriodSql(victim, { source: "'renewal'" })}`,
  },
  {
    check: 'period-has-its-charge',
    what: 'a purchase with the source renewal',
    statements: ({ victim }) => `UPDATE period SET source = 'renewal' WHERE id = ${victim.period}`,
    rows: ({ victim }) => ({ period: [victim.period], ledger_entry: [victim.charge] }),
  },
  {
    check: 'period-has-its-charge',
    what: 'two customers who paid for each other',
    statements: ({ victim, other }) => `
      ALTER TABLE period DROP CONSTRAINT IF EXISTS period_ledger_entry_id_key;
      UPDATE period SET ledger_entry_id = ${victim.charge} + ${other.charge} - ledger_entry_id
      WHERE id IN (${victim.period}, ${other.period})`,
    rows: ({ victim, other }) => ({ period: [victim.period], ledger_entry: [other.charge] }),
  },
  {
    check: 'charge-is-the-amount',
    what: 'a period that cost another amount',
    also: ['charges-are-accounted'],
    statements: ({ victim }) =>
      `UPDATE period SET amount_minor = amount_minor - 1, list_minor = NULL,
        discount_percent = NULL WHERE id = ${victim.period}`,
    rows: ({ victim }) => ({ period: [victim.period], ledger_entry: [victim.charge] }),
  },
  {
    check: 'free-costs-nothing',
    what: 'a gift with a price',
    also: ['grant-is-its-event'],
    statements: ({ victim }) => `
      ALTER TABLE period DROP CONSTRAINT IF EXISTS free_costs_nothing;
      ${followingPeriodSql(victim, { amount_minor: 1 })}`,
  },
  {
    check: 'end-is-the-last-end',
    what: 'a day more than the periods give',
    statements: ({ victim }) => `
      UPDATE subscription SET expires_at = expires_at + interval '1 day'
      WHERE id = ${victim.subscription}`,
    rows: ({ victim }) => ({ subscription: [victim.subscription] }),
  },
  {
    check: 'charge-has-its-receipt',
    what: 'a receipt that was deleted',
    statements: (scene) => `DELETE FROM notification WHERE ${receipt(scene)}`,
    rows: ({ victim }) => ({ ledger_entry: [victim.charge] }),
  },
  {
    check: 'charge-has-its-receipt',
    what: "a receipt in another customer's name",
    statements: (scene) => `
      UPDATE notification SET customer_id = ${scene.other.customer} WHERE ${receipt(scene)}`,
    rows: ({ victim }) => ({ ledger_entry: [victim.charge] }),
  },
];

const refundCorruptions: readonly Corruption[] = [
  {
    check: 'refund-has-its-period',
    what: 'a refund without a period',
    also: ['charges-are-accounted'],
    statements: ({ victim, newEntry }) => entrySql(victim, newEntry, 'refund', 100),
    rows: ({ newEntry }) => ({ ledger_entry: [newEntry] }),
  },
  {
    check: 'refunded-has-its-refund',
    what: 'a period refunded by a top-up',
    also: ['cause-has-its-notification'],
    statements: ({ victim }) => refundedPeriodSql(victim, victim.topUp),
  },
  {
    check: 'refunded-has-its-refund',
    what: 'a refund of a period that is still live',
    also: ['charges-are-accounted'],
    statements: ({ victim, newEntry }) => `
      ALTER TABLE period DROP CONSTRAINT IF EXISTS refund_has_its_time;
      ${entrySql(victim, newEntry, 'refund', 100)}
      UPDATE period SET refund_entry_id = ${newEntry} WHERE id = ${victim.period}`,
    rows: ({ victim, newEntry }) => ({ period: [victim.period], ledger_entry: [newEntry] }),
  },
  {
    check: 'refund-within-charge',
    what: 'a refund of a free period',
    also: ['cause-has-its-notification', 'charges-are-accounted'],
    statements: ({ victim, newEntry }) =>
      entrySql(victim, newEntry, 'refund', 1) + refundedPeriodSql(victim, newEntry),
  },
];

const subscriptionCorruptions: readonly Corruption[] = [
  {
    check: 'active-has-a-period',
    what: 'the only period refunded, access left',
    also: ['refund-is-its-part', 'wait-has-its-horizon', 'charges-are-accounted'],
    statements: ({ victim }) => `
      UPDATE period SET refunded_at = clock() WHERE id = ${victim.period};
      UPDATE subscription SET expires_at = started_at WHERE id = ${victim.subscription}`,
    rows: ({ victim }) => ({ subscription: [victim.subscription] }),
  },
  {
    check: 'expired-has-ended',
    what: 'a paid subscription that is cut off',
    statements: ({ victim }) => `
      UPDATE subscription SET state = 'expired' WHERE id = ${victim.subscription};
      UPDATE credential SET retired_at = clock() WHERE id = '${victim.credential}'`,
    rows: ({ victim }) => ({ subscription: [victim.subscription] }),
  },
  {
    check: 'renewal-is-tried',
    what: 'a renewal that is never tried again',
    statements: ({ victim }) =>
      `UPDATE subscription SET next_try_at = 'infinity' WHERE id = ${victim.subscription}`,
    rows: ({ victim }) => ({ subscription: [victim.subscription] }),
  },
  {
    check: 'next-plan-has-a-price',
    what: 'a next period that was never sold',
    statements: ({ victim }) => `
      UPDATE subscription SET next_plan = 'plus', next_period_days = 90
      WHERE id = ${victim.subscription}`,
    rows: ({ victim }) => ({ subscription: [victim.subscription] }),
  },
  {
    check: 'period-ends-after-its-start',
    what: 'a negative grant that was taken back',
    statements: ({ victim }) => `
      ALTER TABLE period DROP CONSTRAINT IF EXISTS starts_before_its_end;
      INSERT INTO period (subscription_id, customer_id, source, plan, starts_at, ends_at, currency,
        refunded_at)
      SELECT id, customer_id, 'grant', plan, expires_at, expires_at - interval '1 day', 'RUB', clock()
      FROM subscription WHERE id = ${victim.subscription}`,
  },
  {
    check: 'paid-was-got',
    what: 'a trial that became paid without a purchase',
    statements: ({ victim }) => `
      ${trialSql(victim)}
      UPDATE customer SET trial_used_at = clock() WHERE id = ${victim.customer};
      UPDATE subscription SET kind = 'paid'
      WHERE kind = 'trial' AND customer_id = ${victim.customer}`,
  },
  {
    check: 'trial-is-free',
    what: 'a paid subscription that became a trial',
    statements: ({ victim }) => `
      UPDATE subscription SET kind = 'trial', auto_renew = false
      WHERE id = ${victim.subscription}`,
    rows: ({ victim }) => ({ subscription: [victim.subscription], period: [victim.period] }),
  },
  {
    check: 'terms-of-the-period',
    what: 'a more expensive plan than that of the period in force',
    also: ['receipt-is-of-its-charge'],
    statements: ({ victim }) => `
      UPDATE period SET starts_at = starts_at - interval '1 day', ends_at = ends_at - interval '1 day'
      WHERE id = ${victim.period};
      UPDATE subscription SET started_at = started_at - interval '1 day',
        expires_at = expires_at - interval '1 day', period_days = 365
      WHERE id = ${victim.subscription}`,
    rows: ({ victim }) => ({ subscription: [victim.subscription], period: [victim.period] }),
  },
  {
    check: 'change-is-planned',
    what: 'a period with a length that the subscription does not have',
    also: ['grant-is-its-event'],
    statements: ({ victim }) => followingPeriodSql(victim, { period_days: 90 }, 90),
  },
  {
    check: 'served-part-of-a-refund',
    what: 'a served part of a period that is not refunded',
    statements: ({ victim }) => followingPeriodSql(victim, { part_of: victim.period }),
  },
  {
    check: 'one-trial',
    what: 'a second trial',
    statements: ({ victim }) => `
      ${trialSql(victim)} ${trialSql(victim)}
      UPDATE customer SET trial_used_at = clock() WHERE id = ${victim.customer}`,
  },
  {
    check: 'trial-is-noted',
    what: 'a trial without its time in the row of the customer',
    statements: ({ victim }) => trialSql(victim),
  },
];

const accessCorruptions: readonly Corruption[] = [
  {
    check: 'running-has-a-credential',
    what: 'a running subscription whose only credential was retired',
    statements: ({ victim }) =>
      `UPDATE credential SET retired_at = clock() WHERE id = '${victim.credential}'`,
    rows: ({ victim }) => ({ subscription: [victim.subscription] }),
  },
  {
    check: 'ended-has-no-credential',
    what: 'a revoked subscription with a live credential',
    also: ['revoked-has-its-event'],
    statements: ({ victim }) =>
      `UPDATE subscription SET state = 'revoked' WHERE id = ${victim.subscription}`,
    rows: ({ victim }) => ({
      credential: [victim.credential],
      subscription: [victim.subscription],
    }),
  },
  {
    check: 'blocked-has-no-credential',
    what: 'a blocked customer whose credential is live',
    statements: ({ victim }) => `
      UPDATE customer SET blocked_at = clock(), blocked_reason = 'x'
      WHERE id = ${victim.customer}`,
    rows: ({ victim }) => ({ credential: [victim.credential] }),
  },
  {
    check: 'past-its-end-is-ended',
    what: 'a subscription that is active a day after its end',
    also: ['receipt-is-of-its-charge', 'wait-has-its-horizon'],
    statements: ({ victim }) => `
      UPDATE subscription SET started_at = started_at - interval '31 days 1 ms',
        expires_at = expires_at - interval '31 days 1 ms' WHERE id = ${victim.subscription};
      UPDATE period SET starts_at = starts_at - interval '31 days 1 ms',
        ends_at = ends_at - interval '31 days 1 ms' WHERE subscription_id = ${victim.subscription}`,
    rows: ({ victim }) => ({ subscription: [victim.subscription] }),
  },
  {
    check: 'addition-is-confirmed',
    what: 'an addition that a reachable node has not confirmed for over an hour',
    statements: ({ victim }) => `
      UPDATE node SET last_seen_at = clock();
      UPDATE access_sync SET marked_at = clock() - interval '1 hour 1 ms'
      WHERE credential_id = '${victim.credential}'`,
    rows: ({ victim }) => ({ node: ['nl-1'], subscription: [victim.subscription] }),
  },
  {
    check: 'removal-is-confirmed',
    what: 'an old credential whose removal a node has not confirmed for over 5 minutes',
    statements: ({ victim }) => `
      UPDATE node SET last_seen_at = clock();
      WITH old AS (
        INSERT INTO credential (id, subscription_id, customer_id, issued_at, retired_at, replaced)
        VALUES (gen_random_uuid(), ${victim.subscription}, ${victim.customer}, clock(), clock(), true)
        RETURNING id)
      INSERT INTO access_sync (node_id, credential_id, next_attempt_at, marked_at)
      SELECT 'nl-1', id, clock(), clock() - interval '5 minutes 1 ms' FROM old`,
    rows: ({ victim }) => ({ node: ['nl-1'], subscription: [victim.subscription] }),
  },
  {
    check: 'one-live-credential',
    what: 'a second live credential',
    statements: ({ victim }) => `
      DROP INDEX IF EXISTS credential_one_live;
      INSERT INTO credential (id, subscription_id, customer_id, issued_at)
      VALUES (gen_random_uuid(), ${victim.subscription}, ${victim.customer}, clock())`,
  },
  {
    check: 'retired-after-issue',
    what: 'a credential retired before it was issued',
    statements: ({ victim }) => `
      INSERT INTO credential (id, subscription_id, customer_id, issued_at, retired_at)
      VALUES ('00000000-0000-4000-8000-000000000001', ${victim.subscription}, ${victim.customer},
        clock(), clock() - interval '60001 ms')`,
    rows: () => ({ credential: ['00000000-0000-4000-8000-000000000001'] }),
  },
  {
    check: 'period-of-its-customer',
    what: "a period in another customer's name",
    statements: ({ victim, other }) => followingPeriodSql(victim, { customer_id: other.customer }),
  },
  {
    check: 'credential-of-its-customer',
    what: "a credential in another customer's name",
    statements: ({ victim, other }) => `
      UPDATE credential SET customer_id = ${other.customer} WHERE id = '${victim.credential}'`,
    rows: ({ victim }) => ({
      credential: [victim.credential],
      subscription: [victim.subscription],
    }),
  },
  {
    check: 'period-in-its-currency',
    what: 'a period in dollars of a customer in roubles',
    statements: ({ victim }) => `
      INSERT INTO plan_price SELECT plan, period_days, 'USD', valid_from, 14900 FROM plan_price
      WHERE plan = 'basic' AND period_days = 30 AND currency = 'RUB' ON CONFLICT DO NOTHING;
      UPDATE notification SET params = params || '{"currency": "USD"}'
      WHERE dedupe_key = 'receipt:${victim.charge}';
      UPDATE period SET currency = 'USD', list_minor = NULL, discount_percent = NULL
      WHERE id = ${victim.period}`,
    rows: ({ victim }) => ({ period: [victim.period] }),
  },
];

export const corruptions: readonly Corruption[] = [
  ...saleCorruptions,
  ...notificationCorruptions,
  ...timeCorruptions,
  ...moneyCorruptions,
  ...chargeCorruptions,
  ...refundCorruptions,
  ...subscriptionCorruptions,
  ...accessCorruptions,
];
