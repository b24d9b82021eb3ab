import { type RawBuilder, sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { unnest } from '../db/unnest.ts';
import { dayMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import { readSettings } from '../subscription/store/settings.ts';
import { readTermsHash } from '../subscription/store/terms-hash.ts';

// The state at the last audit of everything that found no violation (`audit_baseline`).
//
// A later audit compares with it which rows were written since then (`changes.ts`), and which rows
// are gone. A digest of ids finds a row that is gone or that moved to another customer. Customers
// are in 1,024 buckets, so a difference costs a check of a thousandth of them, and not of all.

/** Customers per bucket: about 1,000 of a million. The table of digests has about 7,000 rows. */
const bucketCount = 1_024;

/** Rows without a customer. */
export const noCustomerBucket = -1;

/** Retention may delete rows of this age before the next audit of everything. */
const retentionReserveMs = 31 * dayMs;

export interface AuditBaseline {
  readonly at: Instant;
  /** The oldest transaction that the snapshot did not see. */
  readonly horizon: bigint;
  /** The highest id of each table. */
  readonly last_ids: Readonly<Record<string, string>>;
  readonly notices_since: Instant;
  readonly events_since: Instant;
  /** A hash of prices and settings. */
  readonly terms: string;
}

export interface BucketDigest {
  readonly place: string;
  readonly bucket: number;
  readonly digest: bigint;
}

/** Limits of the rows that the digests cover. */
type DigestLimits = Pick<AuditBaseline, 'at' | 'notices_since' | 'events_since'> & {
  /** Undefined: all ids of the snapshot. */
  readonly last_ids?: AuditBaseline['last_ids'];
};

const toBucketSql = (customer: RawBuilder<unknown>) =>
  sql`coalesce(${customer} % ${sql.lit(bucketCount)}, ${sql.lit(noCustomerBucket)})::int`;

/** True for the customers of these buckets. */
export const isInBuckets = (customer: RawBuilder<unknown>, buckets: readonly number[]) =>
  sql`${toBucketSql(customer)} = ANY (${`{${buckets.join(',')}}`}::int[])`;

/**
 * For each table and bucket, the hash and the highest id of its rows. The table of known prices has
 * no digest: payments delete its rows, and no check misses one.
 */
function selectDigests(limits: DigestLimits): RawBuilder<unknown> {
  const { at, notices_since, events_since, last_ids } = limits;
  const ofTable = (table: string, condition: RawBuilder<unknown>, customer = 'customer_id') => {
    const last = last_ids?.[table];
    const isBefore = last_ids === undefined ? sql`true` : sql`t.id <= ${last ?? '0'}::bigint`;
    const owner = sql.ref(`t.${customer}`);
    return sql`
      SELECT ${sql.lit(table)} AS place, ${toBucketSql(owner)} AS bucket,
        bit_xor(hashint8extended(t.id, coalesce(${owner}, -1))) AS digest, max(t.id) AS last
      FROM ${sql.table(`perennial.${table}`)} t WHERE ${isBefore} AND ${condition} GROUP BY 2`;
  };
  const credentials = sql`
    SELECT 'credential' AS place, ${toBucketSql(sql`t.customer_id`)} AS bucket,
      bit_xor(uuid_hash_extended(t.id, t.customer_id)) AS digest, NULL::bigint AS last
    FROM perennial.credential t WHERE t.issued_at <= ${isoTime(at)}::timestamptz GROUP BY 2`;
  const tables = [
    ofTable('customer', sql`true`, 'id'),
    ofTable('subscription', sql`true`),
    ofTable('period', sql`true`),
    ofTable('ledger_entry', sql`true`),
    ofTable(
      'notification',
      sql`t.customer_id IS NOT NULL
      AND t.created_at >= ${isoTime(notices_since)}::timestamptz`,
    ),
    ofTable('event', sql`t.at >= ${isoTime(events_since)}::timestamptz`),
    credentials,
  ];
  return sql.join(tables, sql` UNION ALL `);
}

/** The state of the snapshot of this transaction. */
export async function readPresentState(
  tx: Tx,
  now: Instant,
): Promise<{ readonly baseline: AuditBaseline; readonly digests: readonly BucketDigest[] }> {
  const { retention } = await readSettings(tx);
  const limits = {
    at: now,
    notices_since: later(now, retentionReserveMs - retention.noticesMs),
    events_since: later(now, retentionReserveMs - retention.eventsMs),
  };
  const { rows } = await sql<BucketDigest & { last: bigint | null }>`
    ${selectDigests(limits)}`.execute(tx);
  const lastIds: Record<string, string> = {};
  for (const { place, last } of rows) {
    if (last !== null && last > BigInt(lastIds[place] ?? 0)) lastIds[place] = String(last);
  }
  const { rows: snapshots } = await sql<{ horizon: string }>`
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon`.execute(tx);
  const horizon = BigInt(snapshots[0]?.horizon ?? 0);
  const terms = await readTermsHash(tx, now);
  return { baseline: { ...limits, horizon, last_ids: lastIds, terms }, digests: rows };
}

/** Replaces the baseline. Two audits that end together write one after the other. */
export function writeBaseline(
  db: Db,
  { baseline, digests }: Awaited<ReturnType<typeof readPresentState>>,
): Promise<void> {
  return inTransaction(db, async (tx) => {
    await sql`LOCK TABLE perennial.audit_baseline IN EXCLUSIVE MODE`.execute(tx);
    await sql`DELETE FROM perennial.audit_baseline`.execute(tx);
    await sql`DELETE FROM perennial.audit_digest`.execute(tx);
    await sql`
      INSERT INTO perennial.audit_baseline (at, horizon, written_by, last_ids, notices_since,
        events_since, terms)
      VALUES (${isoTime(baseline.at)}, ${baseline.horizon}::bigint,
        pg_current_xact_id()::text::bigint, ${JSON.stringify(baseline.last_ids)}::jsonb,
        ${isoTime(baseline.notices_since)}, ${isoTime(baseline.events_since)},
        ${baseline.terms})`.execute(tx);
    await sql`
      INSERT INTO perennial.audit_digest (place, bucket, digest)
      SELECT place, bucket, digest FROM ${unnest('read', digests, {
        place: ['text', (row) => row.place],
        bucket: ['int', (row) => row.bucket],
        digest: ['bigint', (row) => row.digest],
      })}`.execute(tx);
  });
}

/** Ids of transactions have 32 bits in a row. Half of them are in the past, less a reserve. */
const transactionsMax = 2_000_000_000n;

/** The baseline, or the reason why this audit cannot use one. */
export type BaselineChoice =
  | { readonly kind: 'baseline'; readonly baseline: AuditBaseline }
  | { readonly kind: 'reason'; readonly because: string };

export async function chooseBaseline(tx: Tx, now: Instant): Promise<BaselineChoice> {
  const { rows } = await sql<
    AuditBaseline & {
      isOriginal: boolean;
      transactions: bigint;
      noticesPruned: Instant | null;
      eventsPruned: Instant | null;
    }
  >`
    SELECT b.at, b.horizon, b.last_ids, b.notices_since, b.events_since, b.terms,
      b.xmin::text::bigint = b.written_by % 4294967296 AS "isOriginal",
      pg_snapshot_xmax(pg_current_snapshot())::text::bigint - b.horizon AS transactions,
      (SELECT before FROM perennial.pruned WHERE kind = 'notices') AS "noticesPruned",
      (SELECT before FROM perennial.pruned WHERE kind = 'events') AS "eventsPruned"
    FROM perennial.audit_baseline b`.execute(tx);
  const [row] = rows;
  const reason = (because: string): BaselineChoice => ({ kind: 'reason', because });
  if (row === undefined) return reason('no audit of everything was without violations yet');
  const { isOriginal, transactions, noticesPruned, eventsPruned, ...baseline } = row;
  if (!isOriginal) return reason('the database was restored since the last audit of everything');
  if (now < baseline.at) return reason('the last audit of everything has a later time');
  if (transactions > transactionsMax) return reason('the last audit of everything is too long ago');
  const isPruned =
    (noticesPruned !== null && noticesPruned > baseline.notices_since) ||
    (eventsPruned !== null && eventsPruned > baseline.events_since);
  if (isPruned) return reason('the last audit of everything is over 31 days ago');
  if ((await readTermsHash(tx, baseline.at)) !== baseline.terms) {
    return reason('prices or settings changed since the last audit of everything');
  }
  return { kind: 'baseline', baseline };
}

/** The buckets with a row that is gone, moved, or was written later with an earlier id. */
export async function findChangedBuckets(tx: Tx, baseline: AuditBaseline): Promise<number[]> {
  const { rows } = await sql<{ bucket: number }>`
    SELECT DISTINCT bucket FROM (${selectDigests(baseline)}) present
    FULL JOIN perennial.audit_digest stored USING (place, bucket)
    WHERE present.digest IS DISTINCT FROM stored.digest`.execute(tx);
  return rows.map(({ bucket }) => bucket);
}
