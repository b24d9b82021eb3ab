import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import type { LedgerKind } from '../../db/schema.ts';
import { unnest } from '../../db/unnest.ts';
import { mustHold } from '../../kernel/faults.ts';
import type { CustomerId, LedgerEntryId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';

// The only writer of balances. It writes a change of a balance together with its ledger entry.
//
// So a balance is the sum of its ledger at every moment that a reader can see (promise 1).

/** A change of one balance. */
export interface NewLedgerEntry {
  readonly id: LedgerEntryId;
  readonly customerId: CustomerId;
  /** Signed minor units: a charge is negative. */
  readonly amountMinor: bigint;
  /** The balance after the entry. Several entries of one customer build on each other. */
  readonly balanceAfterMinor: bigint;
  readonly kind: LedgerKind;
  readonly idempotencyKey: string;
  readonly provider?: string;
  readonly providerRef?: string;
  /** Of an entry that moves or reverses a payment, or changes the claim. */
  readonly reversal?: Reversal;
}

/** The columns of such entries. */
export interface Reversal {
  readonly paymentEntryId?: LedgerEntryId;
  readonly outEntryId?: LedgerEntryId;
  readonly dispute?: string;
  readonly claimMinor?: bigint;
}

/** Reserves ids for entries that follow. An unused id only leaves a gap. */
export async function reserveEntryIds(tx: Tx, count: number): Promise<LedgerEntryId[]> {
  if (count === 0) return [];
  const { rows } = await sql<{ id: LedgerEntryId }>`
    SELECT nextval('perennial.ledger_entry_id_seq') AS id
    FROM generate_series(1, ${count})`.execute(tx);
  return rows.map((row) => row.id);
}

interface BalanceUpdate {
  readonly customerId: CustomerId;
  sumMinor: bigint;
  afterMinor: bigint;
}

/** One row per customer: `UPDATE … FROM unnest` would apply only one of two rows of a customer. */
function aggregateByCustomer(entries: readonly NewLedgerEntry[]): BalanceUpdate[] {
  const changes = new Map<CustomerId, BalanceUpdate>();
  for (const { customerId, amountMinor, balanceAfterMinor } of entries) {
    const change = changes.get(customerId);
    if (change === undefined) {
      changes.set(customerId, { customerId, sumMinor: amountMinor, afterMinor: balanceAfterMinor });
      continue;
    }
    mustHold(
      change.afterMinor + amountMinor === balanceAfterMinor,
      `ledger entries of customer ${customerId} do not build on each other`,
    );
    change.sumMinor += amountMinor;
    change.afterMinor = balanceAfterMinor;
  }
  return [...changes.values()];
}

type Columns = Parameters<typeof unnest<NewLedgerEntry>>[2];

const baseColumns: Columns = {
  id: ['bigint', (row) => row.id],
  customer_id: ['bigint', (row) => row.customerId],
  amount_minor: ['bigint', (row) => row.amountMinor],
  balance_after_minor: ['bigint', (row) => row.balanceAfterMinor],
  kind: ['text', (row) => row.kind],
  idempotency_key: ['text', (row) => row.idempotencyKey],
  provider: ['text', (row) => row.provider ?? null],
  provider_ref: ['text', (row) => row.providerRef ?? null],
};

const allColumns: Columns = {
  ...baseColumns,
  payment_entry_id: ['bigint', ({ reversal }) => reversal?.paymentEntryId ?? null],
  out_entry_id: ['bigint', ({ reversal }) => reversal?.outEntryId ?? null],
  dispute: ['text', ({ reversal }) => reversal?.dispute ?? null],
  claim_minor: ['bigint', ({ reversal }) => reversal?.claimMinor ?? null],
};

/** A claim is the sum of its changes in the ledger, like a balance. */
async function changeClaims(tx: Tx, entries: readonly NewLedgerEntry[]): Promise<void> {
  for (const { customerId, reversal } of entries) {
    if (!reversal?.claimMinor) continue;
    await sql`
      UPDATE perennial.customer SET claim_minor = claim_minor + ${reversal.claimMinor}
      WHERE id = ${customerId}`.execute(tx);
  }
}

/**
 * Writes entries in their order, of customers whose rows the transaction holds (rule 1). If the
 * stored balance differs from the one that the entries build on, the transaction fails: it is a
 * bug.
 */
export async function postEntries(
  tx: Tx,
  entries: readonly NewLedgerEntry[],
  now: Instant,
): Promise<void> {
  if (entries.length === 0) return;
  const changes = aggregateByCustomer(entries);
  const columns = entries.some(({ reversal }) => reversal) ? allColumns : baseColumns;
  await sql`
    INSERT INTO perennial.ledger_entry (${sql.raw(Object.keys(columns).join(', '))}, created_at)
    OVERRIDING SYSTEM VALUE
    SELECT entry.*, ${isoTime(now)}::timestamptz
    FROM ${unnest('entry', entries, columns)}`.execute(tx);
  await changeClaims(tx, entries);
  const { numAffectedRows } = await sql`
    UPDATE perennial.customer c
    SET balance_minor = change.after_minor
    FROM ${unnest('change', changes, {
      customer_id: ['bigint', (row) => row.customerId],
      sum_minor: ['bigint', (row) => row.sumMinor],
      after_minor: ['bigint', (row) => row.afterMinor],
    })}
    WHERE c.id = change.customer_id
      AND c.balance_minor + change.sum_minor = change.after_minor`.execute(tx);
  mustHold(
    numAffectedRows === BigInt(changes.length),
    `${changes.length} balances had to change, ${numAffectedRows} changed: the customers are not locked`,
  );
}
