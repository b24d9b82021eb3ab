import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import type { LedgerKind } from '../db/schema.ts';
import { normalizeSpelling } from '../subscription/store/provider-names.ts';
import { isWithin, toTimeSql } from './charged-time.ts';
import type { ReportMonth } from './month.ts';

// The figures of a month that the ledger proves: its entries by kind, payments, balances, claims.
//
// A balance at a moment is the present balance less all entries since. So a report reads only the
// entries since the start of its month.

/** Entries of one kind and origin. Amounts are signed minor units. */
export interface LedgerSum {
  readonly kind: LedgerKind;
  /** Of a top-up; null: without a provider. */
  readonly provider: string | null;
  /** Spellings of one provider have the same value. */
  readonly spelling: string | null;
  /** A payment that moved from another customer. It was collected before. */
  readonly isMoved: boolean;
  readonly entries: bigint;
  readonly amount: bigint;
  /** The part of the changes of claims that raises claims, and the part that lowers them. */
  readonly claimRaised: bigint;
  readonly claimLowered: bigint;
}

export interface LedgerFigures {
  readonly currency: string;
  /** The entries of the month. */
  readonly sums: readonly LedgerSum[];
  readonly balanceStart: bigint;
  readonly balanceEnd: bigint;
  readonly claimEnd: bigint;
  /** The whole payments that providers took back. */
  readonly reversedPayments: bigint;
}

type SumRow = LedgerSum & { readonly currency: string; readonly isLater: boolean };
/** Sums come as text, because they may exceed a bigint of the database. */
type TextRow<Row> = { readonly [K in keyof Row]: Row[K] extends bigint ? string | null : Row[K] };

/** The figures by currency. A currency without a customer has none. */
export async function readLedgerFigures(tx: Tx, month: ReportMonth): Promise<LedgerFigures[]> {
  const sums = await readSums(tx, month);
  const reversed = await readReversedPayments(tx, month);
  return (await readPresent(tx)).map(({ currency, balance, claim }) => {
    const own = sums.filter((sum) => sum.currency === currency);
    const later = own.filter(({ isLater }) => isLater);
    const balanceEnd = balance - add(later, ({ amount }) => amount);
    const claimEnd = claim - add(later, computeClaimChange);
    const ofMonth = own.filter(({ isLater }) => !isLater);
    return {
      currency,
      sums: ofMonth,
      balanceStart: balanceEnd - add(ofMonth, ({ amount }) => amount),
      balanceEnd,
      claimEnd,
      reversedPayments: reversed.get(currency) ?? 0n,
    };
  });
}

const add = <Row>(rows: readonly Row[], pick: (row: Row) => bigint): bigint =>
  rows.reduce((sum, row) => sum + pick(row), 0n);

const computeClaimChange = ({ claimRaised, claimLowered }: LedgerSum): bigint =>
  claimRaised + claimLowered;

/** The sums of the month, and of the entries after it. */
async function readSums(tx: Tx, { from, until }: ReportMonth): Promise<SumRow[]> {
  const { rows } = await sql<TextRow<SumRow>>`
    SELECT total.*, ${normalizeSpelling(sql`provider`)} AS spelling
    FROM (
      SELECT c.currency, e.kind, CASE e.kind WHEN 'top_up' THEN e.provider END AS provider,
        e.kind = 'top_up' AND e.payment_entry_id IS NOT NULL AS "isMoved",
        e.created_at >= ${toTimeSql(until)} AS "isLater", count(*) AS entries,
        sum(e.amount_minor) AS amount,
        sum(e.claim_minor) FILTER (WHERE e.claim_minor > 0) AS "claimRaised",
        sum(e.claim_minor) FILTER (WHERE e.claim_minor < 0) AS "claimLowered"
      FROM perennial.ledger_entry e JOIN perennial.customer c ON c.id = e.customer_id
      WHERE e.created_at >= ${toTimeSql(from)}
      GROUP BY 1, 2, 3, 4, 5) total
    ORDER BY 1, 2, 3, 4, 5`.execute(tx);
  return rows.map((row) => ({
    ...row,
    entries: BigInt(row.entries ?? 0),
    amount: BigInt(row.amount ?? 0),
    claimRaised: BigInt(row.claimRaised ?? 0),
    claimLowered: BigInt(row.claimLowered ?? 0),
  }));
}

async function readPresent(tx: Tx) {
  const { rows } = await sql<{ currency: string; balance: string; claim: string }>`
    SELECT currency, sum(balance_minor) AS balance, sum(claim_minor) AS claim
    FROM perennial.customer GROUP BY currency ORDER BY currency`.execute(tx);
  return rows.map(({ currency, balance, claim }) => ({
    currency,
    balance: BigInt(balance),
    claim: BigInt(claim),
  }));
}

/** A chargeback reverses a payment whole, also if the balance covers only a part of it. */
async function readReversedPayments(tx: Tx, month: ReportMonth): Promise<Map<string, bigint>> {
  const { rows } = await sql<{ currency: string; amount: string }>`
    SELECT c.currency, sum(payment.amount_minor) AS amount
    FROM perennial.ledger_entry e
    JOIN perennial.ledger_entry payment
      ON payment.customer_id = e.customer_id AND payment.id = e.payment_entry_id
    JOIN perennial.customer c ON c.id = e.customer_id
    WHERE e.kind = 'chargeback' AND ${isWithin(sql`e.created_at`, month)}
    GROUP BY c.currency`.execute(tx);
  return new Map(rows.map(({ currency, amount }) => [currency, BigInt(amount)]));
}
