import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { dayMs, type Instant, isoTime, later } from '../../kernel/instant.ts';
import type { Settings } from '../../subscription/rules/settings.ts';
import { readSettings } from '../../subscription/store/settings.ts';

// Deletes history that is older than `retention:`, in short transactions.
//
// 1. Settled notifications: sent, suppressed, failed, or uncertain and never tried again. The price
//    of a renewal stays until the end that the message named: its key prevents a second message.
//    `known_price` has the amount.
// 2. Events. A trigger of the table allows these rows only.
// 3. Money, periods, subscriptions and customers stay.
// 4. The same transaction writes to `pruned` up to which time rows may be missing. The audit reads
//    it.
// 5. A process walks over the notifications by id, and restarts once a day. So rows that stay are
//    read once a day.

/** A batch takes about 50 ms, and holds no lock that a command waits for. */
const batchMax = 2_000;

export interface PruneCounts {
  readonly notices: number;
  readonly events: number;
}

export interface PruneLimits {
  readonly signal: AbortSignal;
  /** True while there is time for another batch. */
  readonly mayContinue: () => boolean;
  readonly batchMax?: number;
}

/** The result of a batch: rows that were read, and rows that were deleted. */
interface PruneBatch {
  readonly seen: number;
  readonly deleted: number;
}

/** @param at the time from which age is counted, see `confirmDeletionTime` */
export async function prune(db: Db, at: Instant, limits: PruneLimits): Promise<PruneCounts> {
  const notices = await deleteInBatches(db, at, limits, createNoticesBatch(getWalk(db, at)));
  const events = await deleteInBatches(db, at, limits, deleteEventsBatch);
  return { notices, events };
}

type DeleteBatch = (tx: Tx, settings: Settings, now: Instant, max: number) => Promise<PruneBatch>;

async function deleteInBatches(
  db: Db,
  at: Instant,
  limits: PruneLimits,
  deleteBatch: DeleteBatch,
): Promise<number> {
  const max = limits.batchMax ?? batchMax;
  let deleted = 0;
  while (!limits.signal.aborted && limits.mayContinue()) {
    const batch = await inTransaction(db, async (tx) =>
      deleteBatch(tx, await readSettings(tx), at, max),
    );
    deleted += batch.deleted;
    if (batch.seen < max) break;
  }
  return deleted;
}

interface NoticeWalk {
  readonly begunAt: Instant;
  /** Each old row up to this id was read. */
  after: bigint;
}

const walks = new WeakMap<Db, NoticeWalk>();

/** The walk of this process, which continues for a day of `at`. */
function getWalk(db: Db, at: Instant): NoticeWalk {
  const known = walks.get(db);
  if (known !== undefined && at >= known.begunAt && at < later(known.begunAt, dayMs)) return known;
  const walk = { begunAt: at, after: 0n };
  walks.set(db, walk);
  return walk;
}

/** By id, which follows the time of creation. The walk ends at the first recent notification. */
function createNoticesBatch(walk: NoticeWalk): DeleteBatch {
  return async (tx, settings, now, max) => {
    const before = isoTime(later(now, -settings.retention.noticesMs));
    const { rows } = await sql<{ seen: number; last: bigint | null; deleted: number }>`
      WITH old AS MATERIALIZED (
        SELECT id, state, kind, next_attempt_at, params FROM (
          SELECT id, state, kind, next_attempt_at, params, created_at
          FROM perennial.notification WHERE id > ${walk.after} AND (
            -- One row tells that there is nothing to do.
            SELECT created_at < ${before} FROM perennial.notification
            WHERE id > ${walk.after} ORDER BY id LIMIT 1)
          ORDER BY id LIMIT ${max}) page
        WHERE created_at < ${before}),
      gone AS (
        DELETE FROM perennial.notification n USING old
        WHERE n.id = old.id AND (old.state IN ('sent', 'suppressed', 'failed')
          OR old.state = 'uncertain' AND old.next_attempt_at = 'infinity')
          AND NOT (old.kind IN ('price_change', 'renewal_ahead')
            AND coalesce((old.params->>'expires_at')::timestamptz > ${isoTime(now)}, false))
        RETURNING n.id)
      SELECT (SELECT count(*)::int FROM old) AS seen, (SELECT max(id) FROM old) AS last,
        (SELECT count(*)::int FROM gone) AS deleted`.execute(tx);
    const { seen, last, deleted } = rows[0] as { seen: number; last: bigint; deleted: number };
    if (seen > 0) walk.after = last;
    if (deleted > 0) await writePruned(tx, 'notices', before);
    return { seen, deleted };
  };
}

/** By the index on their time, independently of the statistics of the table. */
const deleteEventsBatch: DeleteBatch = async (tx, settings, now, max) => {
  const before = isoTime(later(now, -settings.retention.eventsMs));
  await sql`SET LOCAL enable_seqscan = off`.execute(tx);
  const { numAffectedRows } = await sql`
    DELETE FROM perennial.event WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM perennial.event WHERE at < ${before}
      ORDER BY at LIMIT ${max} FOR UPDATE SKIP LOCKED))`.execute(tx);
  const deleted = Number(numAffectedRows ?? 0n);
  if (deleted > 0) await writePruned(tx, 'events', before);
  return { seen: deleted, deleted };
};

async function writePruned(tx: Tx, kind: 'notices' | 'events', before: string): Promise<void> {
  await sql`
    INSERT INTO perennial.pruned AS p (kind, before) VALUES (${kind}, ${before})
    ON CONFLICT (kind) DO UPDATE SET before = greatest(p.before, excluded.before)`.execute(tx);
}
