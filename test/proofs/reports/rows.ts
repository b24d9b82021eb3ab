import { sql } from 'kysely';
import type { Db } from '../../../src/db/connect.ts';

// The raw rows of a database, as the independent calculation reads them. Times are milliseconds.

export interface RawCustomer {
  readonly id: bigint;
  readonly currency: string;
}

export interface RawEntry {
  readonly id: bigint;
  readonly customer: bigint;
  readonly kind: string;
  readonly amount: bigint;
  readonly claim: bigint | null;
  readonly provider: string | null;
  readonly payment: bigint | null;
  readonly at: number;
}

export interface RawPeriod {
  readonly id: bigint;
  readonly customer: bigint;
  readonly sub: bigint;
  readonly source: string;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly charge: bigint | null;
  readonly refundedAt: number | null;
  readonly refund: bigint | null;
}

/** A subscription that expired because the balance was short. */
export interface RawShortEnd {
  readonly customer: bigint;
  readonly sub: bigint;
  readonly at: number;
}

export interface RawRows {
  readonly customers: readonly RawCustomer[];
  readonly entries: readonly RawEntry[];
  readonly periods: readonly RawPeriod[];
  readonly shortEnds: readonly RawShortEnd[];
}

const ms = (column: string) => sql.raw(`(extract(epoch FROM ${column}) * 1000)::bigint::float8`);

export async function readRawRows(db: Db): Promise<RawRows> {
  const customers = await sql<RawCustomer>`SELECT id, currency FROM perennial.customer`.execute(db);
  const entries = await sql<RawEntry>`
    SELECT id, customer_id AS customer, kind, amount_minor AS amount, claim_minor AS claim, provider,
      payment_entry_id AS payment, ${ms('created_at')} AS at
    FROM perennial.ledger_entry ORDER BY id`.execute(db);
  const periods = await sql<RawPeriod>`
    SELECT id, customer_id AS customer, subscription_id AS sub, source, ${ms('starts_at')} AS "startsAt",
      ${ms('ends_at')} AS "endsAt", ledger_entry_id AS charge, ${ms('refunded_at')} AS "refundedAt",
      refund_entry_id AS refund
    FROM perennial.period ORDER BY id`.execute(db);
  const shortEnds = await sql<RawShortEnd>`
    SELECT customer_id AS customer, substr(subject, 14)::bigint AS sub, ${ms('at')} AS at
    FROM perennial.event WHERE action = 'expired' AND detail @> '{"short": true}'
    ORDER BY id`.execute(db);
  return {
    customers: customers.rows,
    entries: entries.rows,
    periods: periods.rows,
    shortEnds: shortEnds.rows,
  };
}
