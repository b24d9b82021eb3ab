import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../db/connect.ts';
import { wakeWorker } from '../../db/notify.ts';
import { type RepairedColumn, repairedColumns } from '../../db/time-columns.ts';
import { readClockReading } from '../../db/trusted-time.ts';
import { type Instant, isoTime, later, minuteMs, secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { recordEvents } from '../../subscription/store/events.ts';
import { readSettings } from '../../subscription/store/settings.ts';

// Repair after a step back of the database clock.
//
// 1. `installation.clock_high_at` is the latest time that a run, a command or `--now` used. Each
//    run compares it with now, which costs one row.
// 2. If now is over a minute behind, the times beyond their horizon (`db/time-columns.ts`) are
//    corrected, a part of a table at a time. Then the mark is lowered.
// 3. An interrupted repair starts again with the next run. Each step may be repeated.

/** Smaller steps back cause no wait that matters. The time sentinel has the same tolerance. */
const stepBackMinMs = minuteMs;
/** While runs take place, the mark is at most this old. */
const markEveryMs = 10 * secondMs;
/** Limit: a shorter jump that meets no run is not recorded by a command of the API. */
const updateEveryMs = secondMs;
/** Workers whose items are due again after a repair. */
const wokenWorkers = ['auto-renewal', 'fast-expiry-cleanup', 'keep-node', 'deliver-notifications'];
/** 4 MB: about ten thousand rows, a transaction of a tenth of a second. */
const blocksMax = 512;

/**
 * Raises the mark for a command: one statement, and a write if the mark is over 10 s old. A
 * read-only database has no mark to raise.
 */
export async function updateHighMark(db: Db): Promise<void> {
  const { rows } = await sql<{ now: Instant; high: Instant | null; isReadOnly: boolean }>`
    SELECT perennial.clock() AS now, clock_high_at AS high,
      current_setting('transaction_read_only')::boolean AS "isReadOnly"
    FROM perennial.installation`.execute(db);
  const [row] = rows;
  if (row === undefined || row.isReadOnly) return;
  if (isOld(row.high, row.now)) await writeHighMark(db, row.now);
}

/**
 * Raises the mark for the commands of a service, with at most one statement a second. The write has
 * its own transaction, so commands do not wait for each other at this row.
 */
export function createHighMarkUpdater(db: Db): () => Promise<void> {
  let sinceLastMs = () => Number.POSITIVE_INFINITY;
  return async () => {
    if (sinceLastMs() < updateEveryMs) return;
    sinceLastMs = stopwatch();
    await updateHighMark(db);
  };
}

const isOld = (high: Instant | null, now: Instant): boolean =>
  high === null || high < later(now, -markEveryMs);

async function writeHighMark(db: Db, now: Instant): Promise<void> {
  await sql`
    UPDATE perennial.installation SET clock_high_at = ${isoTime(now)}
    WHERE clock_high_at IS NULL OR clock_high_at < ${isoTime(later(now, -markEveryMs))}`.execute(
    db,
  );
}

/** The number of corrected values, by table and column. */
export type RepairCounts = Readonly<Record<string, number>>;

/**
 * Repairs the effects of a wrong clock, if the clock was set back after the last run.
 * @returns undefined: no step back, or a time that is not trusted
 */
export async function repairAfterStepBack(db: Db, now: Instant): Promise<RepairCounts | undefined> {
  const { rows } = await sql<{ high: Instant | null }>`
    SELECT clock_high_at AS high FROM perennial.installation`.execute(db);
  const high = rows[0]?.high ?? null;
  if (high === null || high <= later(now, stepBackMinMs)) {
    if (isOld(high, now)) await writeHighMark(db, now);
    return undefined;
  }
  // A clock that is wrong now must not date the past.
  if ((await readClockReading(db)).trust.kind === 'suspect') return undefined;
  const repaired: Record<string, number> = {};
  let left = 0;
  for (const table of new Set(repairedColumns.map((one) => one.table))) {
    left += await repairTable(db, table, now, repaired);
  }
  left += await repairTerms(db, now, repaired);
  left += await retryRevivals(db, now, repaired);
  await inTransaction(db, async (tx) => {
    // Rows that another transaction holds now are left to the next run.
    if (left === 0) await lowerHighMark(tx, high, now);
    for (const worker of wokenWorkers) {
      await wakeWorker(tx, worker);
    }
    if (Object.keys(repaired).length === 0 && left > 0) return;
    // Rows that were written after the last mark may be later than it.
    const detail = { ...repaired, was_ahead_until: isoTime(later(high, stepBackMinMs)) };
    const event = { customerId: null, subject: 'clock', action: 'times_repaired', detail };
    await recordEvents(tx, [event], 'time-repair', now);
  });
  return repaired;
}

/** Lowers the mark, unless the clock has jumped ahead again. */
async function lowerHighMark(tx: Tx, high: Instant, now: Instant): Promise<void> {
  await sql`
    UPDATE perennial.installation SET clock_high_at = ${isoTime(now)}
    WHERE clock_high_at = ${isoTime(high)}`.execute(tx);
}

/** @returns the number of rows left, because another transaction holds them */
async function repairTable(
  db: Db,
  table: string,
  now: Instant,
  repaired: Record<string, number>,
): Promise<number> {
  const columns = repairedColumns.filter((one) => one.table === table);
  return forEachPart(db, table, (tx, from) => repairPart(tx, table, columns, from, now, repaired));
}

/** Runs the work for each part of a table. @returns the sum of the results */
async function forEachPart(
  db: Db,
  table: string,
  work: (tx: Tx, from: number) => Promise<number>,
): Promise<number> {
  const { rows } = await sql<{ blocks: number }>`
    SELECT (pg_relation_size(${`perennial.${table}`}::regclass)
      / current_setting('block_size')::int)::int AS blocks`.execute(db);
  const blocks = rows[0]?.blocks ?? 0;
  let sum = 0;
  for (let from = 0; from <= blocks; from += blocksMax) {
    sum += await inTransaction(db, (tx) => work(tx, from));
  }
  return sum;
}

/** The rows of a part, by their physical location. */
const inPart = (from: number) =>
  sql`t.ctid >= ${`(${from},0)`}::tid AND t.ctid < ${`(${from + blocksMax},0)`}::tid`;

const isWrong = ({ column, latest }: RepairedColumn) =>
  `(t.${column} > (${latest}) AND t.${column} < 'infinity')`;

/**
 * Corrects one part of a table, by the physical location of its rows. Locked rows are skipped, so
 * this waits for no other transaction.
 */
async function repairPart(
  tx: Tx,
  table: string,
  columns: readonly RepairedColumn[],
  from: number,
  now: Instant,
  repaired: Record<string, number>,
): Promise<number> {
  const wrong = columns.map(isWrong).join(' OR ');
  const flags = columns.map((one) => `${isWrong(one)} AS ${one.column}`).join(', ');
  const sets = columns.map(
    ({ column, repairedValue = 'bad.now' }) =>
      `${column} = CASE WHEN bad.${column} THEN ${repairedValue} ELSE t.${column} END`,
  );
  const counts = columns.map(
    ({ column }) => `count(*) FILTER (WHERE bad.${column})::int AS ${column}`,
  );
  const part = inPart(from);
  const clock = sql`(SELECT ${isoTime(now)}::timestamptz AS now) clock`;
  const { rows } = await sql<Record<string, number>>`
    WITH bad AS MATERIALIZED (
      SELECT t.ctid AS place, clock.now, ${sql.raw(flags)}
      FROM ${sql.table(`perennial.${table}`)} t, ${clock}
      WHERE ${part} AND (${sql.raw(wrong)}) FOR NO KEY UPDATE OF t SKIP LOCKED
    ), repaired AS (
      UPDATE ${sql.table(`perennial.${table}`)} t SET ${sql.raw(sets.join(', '))}
      FROM bad WHERE t.ctid = bad.place RETURNING 1
    )
    SELECT ${sql.raw(counts.join(', '))},
      ((SELECT count(*) FROM ${sql.table(`perennial.${table}`)} t, ${clock}
        WHERE ${part} AND (${sql.raw(wrong)})) - count(*))::int AS left_over,
      (SELECT count(*) FROM repaired)::int AS written
    FROM bad`.execute(tx);
  const [row = {}] = rows;
  for (const { column } of columns) {
    const count = row[column] ?? 0;
    const name = `${table}.${column}`;
    if (count > 0) repaired[name] = (repaired[name] ?? 0) + count;
  }
  return Math.max(0, row.left_over ?? 0);
}

/**
 * Terms that a jump put into force before their period began. The next run of fast-expiry-cleanup
 * decides them again. @returns the number of rows left
 */
function repairTerms(db: Db, now: Instant, repaired: Record<string, number>): Promise<number> {
  const at = isoTime(now);
  const early = sql`t.state = 'active'
    AND EXISTS (SELECT FROM perennial.period p WHERE p.subscription_id = t.id
      AND p.refunded_at IS NULL AND p.starts_at > ${at})
    AND EXISTS (SELECT FROM perennial.period p WHERE p.subscription_id = t.id
      AND p.refunded_at IS NULL AND p.starts_at <= ${at} AND p.ends_at > ${at}
      AND (p.plan <> t.plan OR p.period_days <> t.period_days))`;
  return forEachPart(db, 'subscription', async (tx, from) => {
    const { rows } = await sql<{ written: number; left: number }>`
      WITH early AS MATERIALIZED (
        SELECT t.id FROM perennial.subscription t WHERE ${inPart(from)} AND ${early}
        FOR NO KEY UPDATE OF t SKIP LOCKED
      ), written AS (
        UPDATE perennial.subscription s SET changes_at = ${at}
        FROM early WHERE s.id = early.id RETURNING 1
      )
      SELECT (SELECT count(*) FROM written)::int AS written,
        ((SELECT count(*) FROM perennial.subscription t WHERE ${inPart(from)} AND ${early})
          - (SELECT count(*) FROM early))::int AS left`.execute(tx);
    const { written = 0, left = 0 } = rows[0] ?? {};
    const name = 'subscription.changes_at';
    if (written > 0) repaired[name] = (repaired[name] ?? 0) + written;
    return Math.max(0, left);
  });
}

/**
 * A payment during a jump lies in the future, so its time is lowered to now. Therefore ended
 * subscriptions within the days of revival are due again. @returns the number of rows left
 */
async function retryRevivals(
  db: Db,
  now: Instant,
  repaired: Record<string, number>,
): Promise<number> {
  const { reviveMs } = await readSettings(db);
  if (reviveMs === 0) return 0;
  const at = isoTime(now);
  const isGivenUp = sql`s.state = 'expired' AND s.kind = 'paid' AND s.auto_renew
    AND s.next_try_at = 'infinity' AND s.expires_at >= ${isoTime(later(now, -reviveMs))}`;
  return forEachPart(db, 'ledger_entry', async (tx, from) => {
    const paid = sql`s.customer_id IN (SELECT t.customer_id FROM perennial.ledger_entry t
      WHERE ${inPart(from)} AND t.amount_minor > 0 AND t.kind IN ('top_up', 'adjustment')
        AND t.created_at > ${isoTime(later(now, stepBackMinMs))})`;
    const { rows } = await sql<{ written: number; left: number }>`
      WITH due AS MATERIALIZED (
        SELECT s.id FROM perennial.subscription s WHERE ${isGivenUp} AND ${paid}
        FOR NO KEY UPDATE OF s SKIP LOCKED
      ), written AS (
        UPDATE perennial.subscription s SET next_try_at = NULL, woken_at = ${at}
        FROM due WHERE s.id = due.id RETURNING 1
      )
      SELECT (SELECT count(*) FROM written)::int AS written,
        ((SELECT count(*) FROM perennial.subscription s WHERE ${isGivenUp} AND ${paid})
          - (SELECT count(*) FROM due))::int AS left`.execute(tx);
    const { written = 0, left = 0 } = rows[0] ?? {};
    const name = 'subscription.next_try_at';
    if (written > 0) repaired[name] = (repaired[name] ?? 0) + written;
    return Math.max(0, left);
  });
}
