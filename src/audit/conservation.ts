import { sql } from 'kysely';
import { moneyText } from '../kernel/money.ts';
import { check } from './check.ts';

// Promise 1: a balance equals the sum of its ledger, and is never negative.

const balanceIsItsLedger = check<{ customer_id: bigint; balance: bigint; ledger: bigint }>({
  id: 'balance-is-its-ledger',
  promise: 1,
  title: 'a balance is the sum of its ledger',
  find: () => sql`
    SELECT c.id AS customer_id, c.balance_minor AS balance, coalesce(l.sum, 0)::bigint AS ledger
    FROM perennial.customer c
    LEFT JOIN (SELECT customer_id, sum(amount_minor) AS sum
      FROM perennial.ledger_entry GROUP BY customer_id) l ON l.customer_id = c.id
    WHERE c.balance_minor <> coalesce(l.sum, 0)`,
  rows: (row) => ({ customer: [row.customer_id] }),
  say: ({ balance, ledger, currency }) =>
    `the balance is ${moneyText(balance, currency)}, its ledger comes to ${moneyText(ledger, currency)}`,
});

const balanceNotNegative = check<{
  customer_id: bigint;
  entry_id: bigint | null;
  balance: bigint;
}>({
  id: 'balance-not-negative',
  promise: 1,
  title: 'no balance is negative, now or after any ledger entry',
  find: () => sql`
    SELECT id AS customer_id, NULL::bigint AS entry_id, balance_minor AS balance
    FROM perennial.customer WHERE balance_minor < 0
    UNION ALL
    SELECT customer_id, id, balance_after_minor
    FROM perennial.ledger_entry WHERE balance_after_minor < 0`,
  rows: ({ customer_id, entry_id }) =>
    entry_id === null ? { customer: [customer_id] } : { ledger_entry: [entry_id] },
  say: ({ entry_id, balance, currency }) =>
    entry_id === null
      ? `the balance is ${moneyText(balance, currency)}`
      : `the balance was ${moneyText(balance, currency)} after this entry`,
});

/** Each entry builds on the one before, hence on all before: the break is named, not what follows. */
const ledgerRunsOn = check<{
  customer_id: bigint;
  entry_id: bigint;
  amount: bigint;
  after: bigint;
  before: bigint;
}>({
  id: 'ledger-runs-on',
  promise: 1,
  title: 'each ledger entry builds on the balance that the one before left',
  find: () => sql`
    SELECT customer_id, id AS entry_id, amount, after, before
    FROM (
      SELECT customer_id, id, amount_minor AS amount, balance_after_minor AS after,
        coalesce(lag(balance_after_minor) OVER (PARTITION BY customer_id ORDER BY id), 0) AS before
      FROM perennial.ledger_entry) entry
    WHERE after <> before + amount`,
  rows: (row) => ({ ledger_entry: [row.entry_id] }),
  say: ({ amount, after, before, currency }) =>
    `${moneyText(before, currency)} before and ${moneyText(amount, currency)} make ${moneyText(before + amount, currency)}, the entry says ${moneyText(after, currency)}`,
});

/** Its key is (customer, id), so the database alone doesn't promise it; receipts go by the id. */
const ledgerIdOnce = check<{ customer_id: bigint; entry_id: bigint; other_id: bigint }>({
  id: 'ledger-id-once',
  promise: 1,
  title: 'a ledger entry has its id to itself',
  find: () => sql`
    SELECT min(customer_id) AS customer_id, id AS entry_id, max(customer_id) AS other_id
    FROM perennial.ledger_entry GROUP BY id HAVING count(*) > 1`,
  rows: (row) => ({ ledger_entry: [row.entry_id], customer: [row.customer_id, row.other_id] }),
  say: (row) => `customers ${row.customer_id} and ${row.other_id} have an entry of the same id`,
});

export const conservation = [balanceIsItsLedger, balanceNotNegative, ledgerRunsOn, ledgerIdOnce];
