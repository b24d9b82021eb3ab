import { sql } from 'kysely';
import type { Db } from '../../db/connect.ts';
import type { LedgerKind } from '../../db/schema.ts';
import { ledgerKinds } from '../../db/schema-ledger.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';

// The ledger entries of all customers, the newest first, with a bounded cost.
//
// 1. A page examines at most 3,000 entries in the order of their ids. So a page of a rare filter
//    may have fewer rows than its limit, also none. Only a page without a cursor is the last one.
// 2. `collected` are top-ups without moved payments, and `charged` are purchases and renewals, as
//    in the overview.

const examinedMax = 3_000;

export const ledgerFilters = [...ledgerKinds, 'collected', 'charged'] as const;

export interface LedgerListRequest {
  readonly kind?: (typeof ledgerFilters)[number] | undefined;
  /** Entries of this time or later. */
  readonly since?: Instant | undefined;
  /** Only ids below this one. */
  readonly before?: bigint | undefined;
  readonly max: number;
}

interface ListedEntry {
  readonly id: bigint;
  readonly kind: LedgerKind;
  readonly telegram_id: bigint;
  readonly currency: string;
  readonly amount_minor: bigint;
  readonly provider: string | null;
  readonly provider_ref: string | null;
  readonly created_at: Instant;
}

interface Bound {
  readonly examined: bigint;
  /** The last examined entry; null: there was none. */
  readonly last_id: bigint | null;
  readonly last_at: Instant | null;
}

function matchKind(kind: LedgerListRequest['kind']) {
  switch (kind) {
    case undefined:
      return sql`true`;
    case 'collected':
      return sql`kind = 'top_up' AND payment_entry_id IS NULL`;
    case 'charged':
      return sql`kind IN ('purchase', 'renewal')`;
    default:
      return sql`kind = ${kind}`;
  }
}

export async function listLedger(db: Db, request: LedgerListRequest) {
  const { kind, since, before, max } = request;
  const isSince = since === undefined ? sql`true` : sql`created_at >= ${isoTime(since)}`;
  const { rows } = await sql<Bound & (ListedEntry | { readonly id: null })>`
    WITH examined AS MATERIALIZED (
      SELECT * FROM perennial.ledger_entry
      WHERE ${before === undefined ? sql`true` : sql`id < ${before}`}
      ORDER BY id DESC LIMIT ${examinedMax}
    ), page AS (
      SELECT * FROM examined WHERE ${matchKind(kind)} AND ${isSince} ORDER BY id DESC LIMIT ${max + 1}
    )
    SELECT bound.*, page.id, page.kind, page.amount_minor, page.provider, page.provider_ref,
      page.created_at, c.telegram_id, c.currency
    FROM (SELECT count(*) AS examined, min(id) AS last_id, min(created_at) AS last_at
      FROM examined) bound
    LEFT JOIN page ON true LEFT JOIN perennial.customer c ON c.id = page.customer_id
    ORDER BY page.id DESC`.execute(db);
  const entries = rows.filter((row) => row.id !== null);
  const items = entries.slice(0, max);
  const isLater = entries.length > max;
  const next = isLater ? items.at(-1)?.id : findNextId(rows[0], since);
  return {
    items: items.map(toListedEntry),
    next_cursor: next === undefined ? null : String(next),
  };
}

/** The id after which a page without further rows continues; undefined: it is the last page. */
function findNextId(bound: Bound | undefined, since: Instant | undefined): bigint | undefined {
  if (bound === undefined || bound.last_id === null || bound.last_at === null) return undefined;
  if (Number(bound.examined) < examinedMax) return undefined;
  return since !== undefined && bound.last_at < since ? undefined : bound.last_id;
}

const toListedEntry = (row: ListedEntry) => ({
  id: Number(row.id),
  kind: row.kind,
  telegram_id: Number(row.telegram_id),
  amount: majorUnits(row.amount_minor, row.currency),
  currency: row.currency,
  provider: row.provider,
  provider_ref: row.provider_ref,
  created_at: isoTime(row.created_at),
});
