import { type RawBuilder, sql } from 'kysely';
import type { Instant } from '../kernel/instant.ts';
import { isCurrency, minorDigits, moneyText } from '../kernel/money.ts';
import { defineCheck } from './check.ts';

// Promises 3 and 6: a receipt states the charged amount, and is not dropped.
//
// Amounts and times are compared as texts in their stored form, so no wrong text fails the audit.

/** Currencies by their digits after the point, without the many that have two. */
function listCurrencies(digits: number): string {
  const codes = [...Intl.supportedValuesOf('currency'), 'XTR'];
  return codes.filter((code) => isCurrency(code) && minorDigits(code) === digits).join(',');
}

/** A number of PostgreSQL keeps the digits of its factors: 14900 * 0.01 is 149.00. */
const toUnitsSql = (minor: RawBuilder<unknown>, digits: number) =>
  sql`(${minor} * ${sql.raw((10 ** -digits).toFixed(digits))})::text`;

/** SQL of `majorUnits` for an amount of 0 or more. */
function toMajorUnitsSql(minor: RawBuilder<unknown>, currency: RawBuilder<unknown>) {
  const whenDigits = (digits: number) => sql`
    WHEN ${currency} = ANY(${sql.lit(`{${listCurrencies(digits)}}`)}::text[])
      THEN ${toUnitsSql(minor, digits)}`;
  return sql`(CASE ${whenDigits(0)} ${whenDigits(3)} ${whenDigits(4)} ELSE ${toUnitsSql(minor, 2)} END)`;
}

/** SQL of `isoTime`. */
export const toIsoTimeSql = (at: RawBuilder<unknown>) =>
  sql`to_char(${at} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const soldStart = sql`coalesce(p.moved_from, p.starts_at)`;

/** The period of a charge as it was sold, before it moved to an earlier start. */
const matches = sql`
  n.params->>'plan' = p.plan AND n.params->>'starts_at' = ${toIsoTimeSql(soldStart)}
  AND n.params->>'ends_at' = ${toIsoTimeSql(sql`(${soldStart} + (p.ends_at - p.starts_at))`)}`;

/** True if the notification `n` is no receipt of the charge `e` for the period `p`. */
export const isOtherReceipt = sql`(n.kind <> 'receipt'
  OR n.subscription_id IS DISTINCT FROM p.subscription_id
  OR n.params->>'amount' IS DISTINCT FROM ${toMajorUnitsSql(sql`(-e.amount_minor)`, sql`p.currency`)}
  OR n.params->>'currency' IS DISTINCT FROM p.currency
  OR n.params->>'balance_after' <> ${toMajorUnitsSql(sql`e.balance_after_minor`, sql`p.currency`)}
  OR (${matches}) IS NOT TRUE)`;

const receiptIsOfItsCharge = defineCheck<{
  customer_id: bigint;
  id: bigint;
  entry_id: bigint;
  charged: bigint;
  amount: string | null;
  paid_in: string | null;
  starts_at: string | null;
  ends_at: string | null;
}>({
  id: 'receipt-is-of-its-charge',
  promise: 6,
  title: 'a receipt states the amount, the balance and the period of its charge',
  find: () => sql`
    SELECT e.customer_id, n.id, e.id AS entry_id, -e.amount_minor AS charged,
      n.params->>'amount' AS amount, n.params->>'currency' AS paid_in,
      n.params->>'starts_at' AS starts_at, n.params->>'ends_at' AS ends_at
    FROM ledger_entry e
    JOIN notification n
      ON n.dedupe_key = 'receipt:' || e.id AND n.customer_id = e.customer_id
    JOIN period p ON p.customer_id = e.customer_id AND p.ledger_entry_id = e.id
    WHERE e.kind IN ('purchase', 'renewal') AND ${isOtherReceipt}`,
  rows: ({ id, entry_id }) => ({ notification: [id], ledger_entry: [entry_id] }),
  describe: ({ charged, amount, paid_in, starts_at, ends_at, currency }) =>
    `${moneyText(charged, currency)} were charged; the receipt states ${amount} ${paid_in} from ${starts_at} to ${ends_at}`,
});

/**
 * Only a person or their age drops them, because the money moved (`notifications/relevance.ts`).
 */
export const isDropped = (now: RawBuilder<Instant>) => sql`(n.kind IN ('receipt', 'refund')
  AND n.state = 'suppressed'
  AND coalesce(n.reason, '') NOT IN ('cancelled', 'cancelled, may have arrived')
  AND NOT (n.reason IS NOT DISTINCT FROM 'too_late'
    AND n.created_at <= ${now} - interval '30 days' + interval '1 minute'))`;

const receiptIsNotDropped = defineCheck<{
  customer_id: bigint | null;
  id: bigint;
  kind: string;
  reason: string | null;
}>({
  id: 'receipt-is-not-dropped',
  promise: 6,
  title: 'a receipt or the notification of a refund is dropped only by hand or after 30 days',
  find: (now) => sql`
    SELECT n.customer_id, n.id, n.kind, n.reason FROM notification n
    WHERE ${isDropped(now)}`,
  rows: ({ id }) => ({ notification: [id] }),
  describe: ({ id, kind, reason }) => `the ${kind} of notification ${id} was dropped: ${reason}`,
});

export const receiptChecks = [receiptIsOfItsCharge, receiptIsNotDropped];
