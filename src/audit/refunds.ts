import { type RawBuilder, sql } from 'kysely';
import { moneyText } from '../kernel/money.ts';
import { defineCheck } from './check.ts';

// Promise 3, backwards: a refund returns the money and ends the period together.
//
// A change of plan may refund several periods. If the unused part of a period is worth nothing, the
// period is refunded without an entry.

const refundHasItsPeriod = defineCheck<{ customer_id: bigint; entry_id: bigint; amount: bigint }>({
  id: 'refund-has-its-period',
  promise: 3,
  title: 'each refund belongs to a period',
  find: () => sql`
    SELECT e.customer_id, e.id AS entry_id, e.amount_minor AS amount
    FROM ledger_entry e
    WHERE e.kind = 'refund'
      AND NOT EXISTS (SELECT FROM period p WHERE p.refund_entry_id = e.id)`,
  rows: (row) => ({ ledger_entry: [row.entry_id] }),
  describe: ({ amount, currency }) =>
    `${moneyText(amount, currency)} were refunded, but no period names this refund`,
});

const refundedHasItsRefund = defineCheck<{
  customer_id: bigint;
  id: bigint;
  entry_id: bigint;
  live: boolean;
}>({
  id: 'refunded-has-its-refund',
  promise: 3,
  title: 'a period that names a refund is refunded, by a refund of its customer',
  find: () => sql`
    SELECT p.customer_id, p.id, p.refund_entry_id AS entry_id, p.refunded_at IS NULL AS live
    FROM period p
    WHERE p.refund_entry_id IS NOT NULL
      AND (p.refunded_at IS NULL OR NOT EXISTS (SELECT FROM ledger_entry e
        WHERE e.id = p.refund_entry_id AND e.customer_id = p.customer_id AND e.kind = 'refund'))`,
  rows: ({ id, entry_id }) => ({ period: [id], ledger_entry: [entry_id] }),
  describe: ({ id, entry_id, live }) =>
    live
      ? `period ${id} is live, but ledger entry ${entry_id} refunds it`
      : `ledger entry ${entry_id} is not a refund of this customer`,
});

const refundWithinCharge = defineCheck<{
  customer_id: bigint;
  entry_id: bigint;
  first_id: bigint;
  last_id: bigint;
  refunded: bigint;
  charged: bigint;
}>({
  id: 'refund-within-charge',
  promise: 3,
  title: 'no refund is more than the price of its periods',
  find: () => sql`
    SELECT e.customer_id, e.id AS entry_id, given.first_id, given.last_id,
      e.amount_minor AS refunded, given.charged
    FROM (SELECT refund_entry_id, sum(amount_minor)::bigint AS charged, min(id) AS first_id,
        max(id) AS last_id
      FROM period WHERE refund_entry_id IS NOT NULL GROUP BY refund_entry_id) given
    JOIN ledger_entry e ON e.id = given.refund_entry_id AND e.kind = 'refund'
    WHERE e.amount_minor > given.charged`,
  rows: ({ entry_id, first_id, last_id }) => ({
    ledger_entry: [entry_id],
    period: first_id === last_id ? [first_id] : [first_id, last_id],
  }),
  describe: ({ refunded, charged, currency }) =>
    `${moneyText(refunded, currency)} were refunded for periods that cost ${moneyText(charged, currency)}`,
});

const toMsSql = (from: RawBuilder<unknown>) =>
  sql`(extract(epoch FROM p.ends_at - ${from}) * 1000)::bigint`;
/** As `computeUnusedMinor` computes it at the refund. */
const unused = sql`CASE WHEN p.refunded_at >= p.ends_at THEN 0 ELSE
  div(p.amount_minor::numeric * ${toMsSql(sql`greatest(p.refunded_at, p.starts_at)`)},
    ${toMsSql(sql`p.starts_at`)})::bigint END`;

const refundIsItsPart = defineCheck<{
  customer_id: bigint;
  id: bigint;
  entry_id: bigint | null;
  refunded: bigint | null;
  charged: bigint;
  unused: bigint;
}>({
  id: 'refund-is-its-part',
  promise: 3,
  title: 'a refund is the price of a whole period, or of its unused part',
  find: () => sql`
    SELECT p.customer_id, p.id, p.refund_entry_id AS entry_id, e.amount_minor AS refunded,
      p.amount_minor AS charged, ${unused} AS unused
    FROM period p
    LEFT JOIN ledger_entry e
      ON e.customer_id = p.customer_id AND e.id = p.refund_entry_id
    WHERE p.refunded_at IS NOT NULL AND p.amount_minor > 0
      AND CASE WHEN p.refund_entry_id IS NULL
        THEN p.refunded_at >= p.ends_at OR ${unused} > 0
        ELSE e.kind = 'refund' AND e.amount_minor < p.amount_minor
          AND e.amount_minor <> ${unused} END`,
  rows: ({ id, entry_id }) => ({
    period: [id],
    ...(entry_id === null ? {} : { ledger_entry: [entry_id] }),
  }),
  describe: ({ id, refunded, charged, unused: rest, currency }) =>
    `period ${id} cost ${moneyText(charged, currency)}, of which ${moneyText(rest, currency)} were unused; refunded: ${refunded === null ? 'nothing' : moneyText(refunded, currency)}`,
});

export const refundChecks = [
  refundHasItsPeriod,
  refundedHasItsRefund,
  refundWithinCharge,
  refundIsItsPart,
];
