import { sql } from 'kysely';
import { moneyText } from '../kernel/money.ts';
import { defineCheck } from './check.ts';

// Promise 1: a balance equals the sum of its ledger, and is never negative.

const balanceIsItsLedger = defineCheck<{ customer_id: bigint; balance: bigint; ledger: bigint }>({
  id: 'balance-is-its-ledger',
  promise: 1,
  title: 'a balance is the sum of its ledger',
  find: () => sql`
    SELECT c.id AS customer_id, c.balance_minor AS balance, coalesce(l.sum, 0)::bigint AS ledger
    FROM customer c
    LEFT JOIN (SELECT customer_id, sum(amount_minor) AS sum
      FROM ledger_entry GROUP BY customer_id) l ON l.customer_id = c.id
    WHERE c.balance_minor <> coalesce(l.sum, 0)`,
  rows: (row) => ({ customer: [row.customer_id] }),
  describe: ({ balance, ledger, currency }) =>
    `the balance is ${moneyText(balance, currency)}, the sum of its ledger is ${moneyText(ledger, currency)}`,
});

const balanceNotNegative = defineCheck<{
  customer_id: bigint;
  entry_id: bigint | null;
  balance: bigint;
}>({
  id: 'balance-not-negative',
  promise: 1,
  title: 'no balance is negative, now or after any ledger entry',
  find: () => sql`
    SELECT id AS customer_id, NULL::bigint AS entry_id, balance_minor AS balance
    FROM customer WHERE balance_minor < 0
    UNION ALL
    SELECT customer_id, id, balance_after_minor
    FROM ledger_entry WHERE balance_after_minor < 0`,
  rows: ({ customer_id, entry_id }) =>
    entry_id === null ? { customer: [customer_id] } : { ledger_entry: [entry_id] },
  describe: ({ entry_id, balance, currency }) =>
    entry_id === null
      ? `the balance is ${moneyText(balance, currency)}`
      : `the balance was ${moneyText(balance, currency)} after this entry`,
});

/**
 * Each entry builds on the previous one, and so on all before. Only the first break is reported.
 */
const ledgerRunsOn = defineCheck<{
  customer_id: bigint;
  entry_id: bigint;
  amount: bigint;
  after: bigint;
  before: bigint;
}>({
  id: 'ledger-runs-on',
  promise: 1,
  title: 'each ledger entry builds on the balance after the previous one',
  find: () => sql`
    SELECT customer_id, id AS entry_id, amount, after, before
    FROM (
      SELECT customer_id, id, amount_minor AS amount, balance_after_minor AS after,
        coalesce(lag(balance_after_minor) OVER (PARTITION BY customer_id ORDER BY id), 0) AS before
      FROM ledger_entry) entry
    WHERE after <> before + amount`,
  rows: (row) => ({ ledger_entry: [row.entry_id] }),
  describe: ({ amount, after, before, currency }) =>
    `${moneyText(before, currency)} before and ${moneyText(amount, currency)} make ${moneyText(before + amount, currency)}, the entry states ${moneyText(after, currency)}`,
});

/** The primary key is (customer, id), so it does not guarantee a unique id. Receipts use the id. */
const ledgerIdOnce = defineCheck<{ customer_id: bigint; entry_id: bigint; other_id: bigint }>({
  id: 'ledger-id-once',
  promise: 1,
  title: 'each ledger entry has its own id',
  find: () => sql`
    SELECT min(customer_id) AS customer_id, id AS entry_id, max(customer_id) AS other_id
    FROM ledger_entry GROUP BY id HAVING count(*) > 1`,
  rows: (row) => ({ ledger_entry: [row.entry_id], customer: [row.customer_id, row.other_id] }),
  describe: (row) =>
    `customers ${row.customer_id} and ${row.other_id} have an entry of the same id`,
});

const claimIsItsLedger = defineCheck<{ customer_id: bigint; claim: bigint; ledger: bigint }>({
  id: 'claim-is-its-ledger',
  promise: 1,
  title: 'a claim is the sum of its changes in the ledger',
  find: () => sql`
    SELECT c.id AS customer_id, c.claim_minor AS claim, coalesce(l.sum, 0)::bigint AS ledger
    FROM customer c
    LEFT JOIN (SELECT customer_id, sum(claim_minor) AS sum FROM ledger_entry
      WHERE claim_minor IS NOT NULL GROUP BY customer_id) l ON l.customer_id = c.id
    WHERE c.claim_minor <> coalesce(l.sum, 0)`,
  rows: (row) => ({ customer: [row.customer_id] }),
  describe: ({ claim, ledger, currency }) =>
    `the claim is ${moneyText(claim, currency)}, the sum of its changes is ${moneyText(ledger, currency)}`,
});

const claimNotNegative = defineCheck<{ customer_id: bigint; entry_id: bigint; claim: bigint }>({
  id: 'claim-not-negative',
  promise: 1,
  title: 'no claim is paid beyond its amount',
  find: () => sql`
    SELECT customer_id, entry_id, claim FROM (
      SELECT customer_id, id AS entry_id,
        sum(claim_minor) OVER (PARTITION BY customer_id ORDER BY id)::bigint AS claim
      FROM ledger_entry WHERE claim_minor IS NOT NULL) entry
    WHERE claim < 0`,
  rows: (row) => ({ ledger_entry: [row.entry_id] }),
  describe: ({ claim, currency }) => `the claim was ${moneyText(claim, currency)} after this entry`,
});

/**
 * A later entry of a payment continues the previous one: a chargeback there, a move to another
 * customer.
 */
const paymentIsOne = defineCheck<{ customer_id: bigint; entry_id: bigint; payment_id: bigint }>({
  id: 'payment-is-one',
  promise: 1,
  title: 'a payment that was moved or charged back left its first customer',
  find: () => sql`
    SELECT e.customer_id, e.id AS entry_id, e.payment_entry_id AS payment_id
    FROM ledger_entry e
    LEFT JOIN ledger_entry payment ON payment.id = e.payment_entry_id
      AND payment.kind = 'top_up' AND payment.provider = e.provider
      AND payment.provider_ref = e.provider_ref
    LEFT JOIN ledger_entry gone ON gone.id = e.out_entry_id
      AND gone.customer_id = payment.customer_id AND gone.kind = 'adjustment'
    WHERE e.payment_entry_id IS NOT NULL AND NOT coalesce(CASE e.kind
      WHEN 'chargeback' THEN e.customer_id = payment.customer_id
        AND e.claim_minor - e.amount_minor <= payment.amount_minor
      ELSE e.amount_minor = payment.amount_minor
        AND coalesce(gone.claim_minor, 0) - gone.amount_minor = payment.amount_minor END, false)`,
  rows: (row) => ({ ledger_entry: [row.entry_id, row.payment_id] }),
  describe: (row) => `ledger entry ${row.entry_id} does not continue payment ${row.payment_id}`,
});

export const conservationChecks = [
  balanceIsItsLedger,
  balanceNotNegative,
  ledgerRunsOn,
  ledgerIdOnce,
  claimIsItsLedger,
  claimNotNegative,
  paymentIsOne,
];
