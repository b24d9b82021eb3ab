import { type RawBuilder, sql } from 'kysely';
import type { Instant } from '../kernel/instant.ts';
import { moneyText } from '../kernel/money.ts';
import { chargeKinds } from './charge-and-extension.ts';
import { defineCheck } from './check.ts';

// The identities of reports (docs/report.md), for each customer since the first entry.
//
// 1. Opening entries, top-ups, adjustments and refunds, less charges, payouts, chargebacks and
//    claims, are the balance. The kind decides the sign, so an entry with a wrong sign is found.
// 2. The charges are earned until now, owed as unused time, or refunded. Charges and refunds are
//    those of the ledger. Earned and unused time are those of the periods, each by its own time.

/** The amount of an entry by the sign of its kind. An unknown kind is in no line of a report. */
export const amountByKind = sql`(CASE
  WHEN kind IN ('opening', 'top_up', 'refund') THEN abs(amount_minor)
  WHEN kind = 'adjustment' THEN amount_minor
  WHEN kind IN ('purchase', 'renewal', 'payout', 'chargeback', 'claim') THEN -abs(amount_minor)
  ELSE 0 END)`;

const balanceAddsUp = defineCheck<{ customer_id: bigint; balance: bigint; lines: bigint }>({
  id: 'balance-adds-up',
  promise: 1,
  title: 'the entries add up to the balance, each with the sign of its kind',
  find: () => sql`
    SELECT c.id AS customer_id, c.balance_minor AS balance, coalesce(l.lines, 0)::bigint AS lines
    FROM customer c
    LEFT JOIN (SELECT customer_id, sum(${amountByKind}) AS lines
      FROM ledger_entry GROUP BY customer_id) l ON l.customer_id = c.id
    WHERE c.balance_minor <> coalesce(l.lines, 0)`,
  rows: (row) => ({ customer: [row.customer_id] }),
  describe: ({ balance, lines, currency }) =>
    `the balance is ${moneyText(balance, currency)}, the entries by their kinds come to ${moneyText(lines, currency)}`,
});

const toMsSql = (from: RawBuilder<unknown>, to: RawBuilder<unknown>) =>
  sql`(extract(epoch FROM ${to} - ${from}) * 1000)`;
const lengthMs = toMsSql(sql`p.starts_at`, sql`p.ends_at`);

/** Rounded up, because the unused part is rounded down. */
const toEarnedSql = (now: RawBuilder<Instant>) => {
  const moment = sql`coalesce(p.refunded_at, ${now})`;
  const elapsedMs = toMsSql(
    sql`p.starts_at`,
    sql`least(greatest(${moment}, p.starts_at), p.ends_at)`,
  );
  return sql`CASE WHEN e.amount_minor = p.amount_minor THEN 0
    ELSE div(p.amount_minor * ${elapsedMs} + ${lengthMs} - 1, ${lengthMs}) END`;
};

/** Of a period that is not refunded. */
const toUnusedSql = (now: RawBuilder<Instant>) => {
  const remainingMs = toMsSql(sql`least(greatest(${now}, p.starts_at), p.ends_at)`, sql`p.ends_at`);
  return sql`CASE WHEN p.refunded_at IS NULL
    THEN div(p.amount_minor * ${remainingMs}, ${lengthMs}) ELSE 0 END`;
};

const chargesAreAccounted = defineCheck<{
  customer_id: bigint;
  charged: bigint;
  earned: bigint;
  unused: bigint;
  refunded: bigint;
}>({
  id: 'charges-are-accounted',
  promise: 3,
  title: 'the charges of a customer are earned, owed as unused time, or refunded',
  find: (now) => sql`
    SELECT coalesce(l.customer_id, t.customer_id) AS customer_id,
      coalesce(l.charged, 0)::bigint AS charged, coalesce(t.earned, 0)::bigint AS earned,
      coalesce(t.unused, 0)::bigint AS unused, coalesce(l.refunded, 0)::bigint AS refunded
    FROM (SELECT customer_id, sum(amount_minor) FILTER (WHERE kind = 'refund') AS refunded,
        -sum(amount_minor) FILTER (WHERE kind IN ${chargeKinds}) AS charged
      FROM ledger_entry WHERE kind = 'refund' OR kind IN ${chargeKinds}
      GROUP BY customer_id) l
    FULL JOIN (
      SELECT p.customer_id, sum(${toEarnedSql(now)}) AS earned, sum(${toUnusedSql(now)}) AS unused
      FROM period p
      LEFT JOIN ledger_entry e
        ON e.kind = 'refund' AND e.id = p.refund_entry_id AND e.customer_id = p.customer_id
      WHERE p.ledger_entry_id IS NOT NULL AND p.starts_at < p.ends_at
      GROUP BY p.customer_id) t ON t.customer_id = l.customer_id
    WHERE coalesce(l.charged, 0)
      <> coalesce(t.earned, 0) + coalesce(t.unused, 0) + coalesce(l.refunded, 0)`,
  rows: (row) => ({ customer: [row.customer_id] }),
  describe: ({ charged, earned, unused, refunded, currency }) =>
    `${moneyText(charged, currency)} were charged; ${moneyText(earned, currency)} are earned, ${moneyText(unused, currency)} owed and ${moneyText(refunded, currency)} refunded`,
});

export const balanceSumChecks = [balanceAddsUp];
export const chargeSumChecks = [chargesAreAccounted];
