import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import type { JsonObject, LedgerKind } from '../../db/schema.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';

// The history of one customer, page by page, the latest entries first.
//
// Entries of one customer are written under its lock, so their ids are in the order of the commits.
// The page before an id is stable: no entry appears in it later.

export interface PageRequest {
  /** The maximum number of entries. */
  readonly max: number;
  /** Only entries that are older than this id. */
  readonly before?: bigint | undefined;
}

/** An upper limit of all ids. */
const idLimit = 2n ** 63n - 1n;

export type LedgerLine = {
  readonly id: number;
  readonly kind: LedgerKind;
  readonly amount: string;
  readonly balance_after: string;
  readonly provider: string | null;
  readonly provider_ref: string | null;
  readonly dispute: string | null;
  readonly claim: string | null;
  readonly created_at: string;
};

interface LedgerRow {
  readonly id: bigint;
  readonly kind: LedgerKind;
  readonly amount: bigint;
  readonly after: bigint;
  readonly provider: string | null;
  readonly provider_ref: string | null;
  readonly dispute: string | null;
  readonly claimMinor: bigint | null;
  readonly at: Instant;
}

export async function readLedger(
  db: Db | Tx,
  id: CustomerId,
  currency: string,
  { max, before = idLimit }: PageRequest,
): Promise<LedgerLine[]> {
  const { rows } = await sql<LedgerRow>`
    SELECT id, kind, amount_minor AS amount, balance_after_minor AS after, provider, provider_ref,
      dispute, claim_minor AS "claimMinor", created_at AS at
    FROM perennial.ledger_entry WHERE customer_id = ${id} AND id < ${before}
    ORDER BY id DESC LIMIT ${max}`.execute(db);
  return rows.map((row) => ({
    id: Number(row.id),
    kind: row.kind,
    amount: majorUnits(row.amount, currency),
    balance_after: majorUnits(row.after, currency),
    provider: row.provider,
    provider_ref: row.provider_ref,
    dispute: row.dispute,
    claim: row.claimMinor === null ? null : majorUnits(row.claimMinor, currency),
    created_at: isoTime(row.at),
  }));
}

export type EventLine = {
  readonly id: number;
  readonly subject: string;
  readonly action: string;
  readonly actor: string;
  readonly at: string;
  readonly detail: JsonObject;
};

export async function readEvents(
  db: Db | Tx,
  id: CustomerId,
  { max, before = idLimit }: PageRequest,
): Promise<EventLine[]> {
  const { rows } = await sql<Omit<EventLine, 'id' | 'at'> & { id: bigint; at: Instant }>`
    SELECT id, subject, action, actor, at, detail FROM perennial.event
    WHERE customer_id = ${id} AND id < ${before} ORDER BY id DESC LIMIT ${max}`.execute(db);
  return rows.map((row) => ({ ...row, id: Number(row.id), at: isoTime(row.at) }));
}
