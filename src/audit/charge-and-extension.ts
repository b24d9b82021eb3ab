import { sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { moneyText } from '../kernel/money.ts';
import { defineCheck, selectRetainedSince } from './check.ts';

// Promise 3: debit, ledger entry, period, end and notification are stored together or not at all.

export const chargeKinds = sql`('purchase', 'renewal')`;

const chargePaysOnePeriod = defineCheck<{
  customer_id: bigint;
  entry_id: bigint;
  first_id: bigint | null;
  last_id: bigint | null;
  count: bigint;
}>({
  id: 'charge-pays-one-period',
  promise: 3,
  title: 'each charge pays for exactly one period',
  find: () => sql`
    SELECT e.customer_id, e.id AS entry_id, NULL::bigint AS first_id, NULL::bigint AS last_id,
      0::bigint AS count
    FROM ledger_entry e
    WHERE e.kind IN ${chargeKinds}
      AND NOT EXISTS (SELECT FROM period p WHERE p.ledger_entry_id = e.id)
    UNION ALL
    SELECT min(p.customer_id), p.ledger_entry_id, min(p.id), max(p.id), count(*)
    FROM period p WHERE p.ledger_entry_id IS NOT NULL
    GROUP BY p.ledger_entry_id HAVING count(*) > 1`,
  rows: ({ entry_id, first_id, last_id }) => ({
    ledger_entry: [entry_id],
    ...(first_id === null || last_id === null ? {} : { period: [first_id, last_id] }),
  }),
  describe: ({ count }) =>
    count === 0n ? 'charged, but there is no period for it' : `pays for ${count} periods`,
});

const periodHasItsCharge = defineCheck<{
  customer_id: bigint;
  id: bigint;
  source: string;
  entry_id: bigint | null;
}>({
  id: 'period-has-its-charge',
  promise: 3,
  title: 'each purchase or renewal has the charge of its kind, on its customer',
  find: () => sql`
    SELECT p.customer_id, p.id, p.source, p.ledger_entry_id AS entry_id
    FROM period p
    WHERE p.source IN ${chargeKinds} AND p.part_of IS NULL AND NOT EXISTS (SELECT FROM ledger_entry e
      WHERE e.id = p.ledger_entry_id AND e.customer_id = p.customer_id AND e.kind = p.source)`,
  rows: ({ id, entry_id }) => ({
    period: [id],
    ...(entry_id === null ? {} : { ledger_entry: [entry_id] }),
  }),
  describe: ({ id, source, entry_id }) =>
    entry_id === null
      ? `period ${id} is a ${source} and names no charge`
      : `period ${id} is a ${source}; ledger entry ${entry_id} is not a ${source} of this customer`,
});

const chargeIsTheAmount = defineCheck<{
  customer_id: bigint;
  id: bigint;
  entry_id: bigint;
  amount: bigint;
  charged: bigint;
}>({
  id: 'charge-is-the-amount',
  promise: 3,
  title: 'the charged amount equals the price of the period',
  find: () => sql`
    SELECT p.customer_id, p.id, e.id AS entry_id, p.amount_minor AS amount,
      -e.amount_minor AS charged
    FROM period p JOIN ledger_entry e
      ON e.id = p.ledger_entry_id AND e.customer_id = p.customer_id
    WHERE p.amount_minor <> -e.amount_minor`,
  rows: ({ id, entry_id }) => ({ period: [id], ledger_entry: [entry_id] }),
  describe: ({ id, amount, charged, currency }) =>
    `period ${id} cost ${moneyText(amount, currency)}, ${moneyText(charged, currency)} were charged`,
});

export const isFreeAndCharged = sql`(p.source NOT IN ${chargeKinds}
  AND (p.amount_minor <> 0 OR p.ledger_entry_id IS NOT NULL))`;

const freeCostsNothing = defineCheck<{
  customer_id: bigint;
  id: bigint;
  source: string;
  amount: bigint;
  entry_id: bigint | null;
}>({
  id: 'free-costs-nothing',
  promise: 3,
  title: 'a granted, trial or imported period has no price and no charge',
  find: () => sql`
    SELECT p.customer_id, p.id, p.source, p.amount_minor AS amount, p.ledger_entry_id AS entry_id
    FROM period p
    WHERE ${isFreeAndCharged}`,
  rows: ({ id, entry_id }) => ({
    period: [id],
    ...(entry_id === null ? {} : { ledger_entry: [entry_id] }),
  }),
  describe: ({ id, source, amount, entry_id, currency }) =>
    `period ${id} has the source ${source}, but ${entry_id === null ? 'costs' : `ledger entry ${entry_id} charged`} ${moneyText(amount, currency)}`,
});

const endIsTheLastEnd = defineCheck<{
  customer_id: bigint;
  id: bigint;
  expires_at: Instant;
  ends_at: Instant;
  has_period: boolean;
}>({
  id: 'end-is-the-last-end',
  promise: 3,
  title: 'a subscription ends where its last live period ends',
  find: () => sql`
    SELECT s.customer_id, s.id, s.expires_at, coalesce(last.ends_at, s.started_at) AS ends_at,
      last.ends_at IS NOT NULL AS has_period
    FROM subscription s
    LEFT JOIN (SELECT subscription_id, max(ends_at) AS ends_at
      FROM period WHERE refunded_at IS NULL GROUP BY subscription_id) last
      ON last.subscription_id = s.id
    WHERE s.expires_at <> coalesce(last.ends_at, s.started_at)`,
  rows: (row) => ({ subscription: [row.id] }),
  describe: ({ id, expires_at, ends_at, has_period }) =>
    `subscription ${id} expires at ${isoTime(expires_at)}, ${has_period ? 'its last live period ends' : 'it has no live period and started'} at ${isoTime(ends_at)}`,
});

/** Stored with the charge, and kept for `retention.notices`. */
const chargeHasItsReceipt = defineCheck<{ customer_id: bigint; entry_id: bigint; amount: bigint }>({
  id: 'charge-has-its-receipt',
  promise: 3,
  title: 'each charge has its receipt, stored for its customer',
  find: () => sql`
    SELECT e.customer_id, e.id AS entry_id, -e.amount_minor AS amount
    FROM ledger_entry e
    WHERE e.kind IN ${chargeKinds} AND NOT EXISTS (SELECT FROM notification n
      WHERE n.dedupe_key = 'receipt:' || e.id AND n.customer_id = e.customer_id)
      AND e.created_at >= ${selectRetainedSince('notices')}`,
  rows: (row) => ({ ledger_entry: [row.entry_id] }),
  describe: ({ amount, currency }) =>
    `${moneyText(amount, currency)} were charged without a receipt`,
});

export const chargeAndExtensionChecks = [
  chargePaysOnePeriod,
  periodHasItsCharge,
  chargeIsTheAmount,
  freeCostsNothing,
  endIsTheLastEnd,
  chargeHasItsReceipt,
];
