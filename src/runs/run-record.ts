import { sql } from 'kysely';
import { readClock } from '../db/clock.ts';
import { confirmDeletionTime } from '../db/clock-mark.ts';
import { type Db, inTransaction, type Tx } from '../db/connect.ts';
import { toFault } from '../db/faults.ts';
import type { JsonObject, RunOutcome } from '../db/schema.ts';
import { isClockFault } from '../db/trusted-time.ts';
import { unnest } from '../db/unnest.ts';
import type { RunId } from '../kernel/ids.ts';
import { dayMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import { closeLostRuns, type Replica } from '../leases/replica.ts';
import { isAlarmCleared, raiseAlarms } from '../outbox/alarms.ts';
import { deleteOldKeys } from '../subscription/store/idempotency.ts';
import { repairAfterStepBack } from './clock/repair.ts';
import { type ClockBasis, checkClock } from './clock-check.ts';
import type { RunContext } from './run-context.ts';

// The record of a run in `worker_run`.
//
// 1. The start of a run writes the record.
// 2. Each batch adds its counts in its own transaction. So a run that crashed still has its counts.
// 3. The end of a run closes the record.

/** Run records are kept for this long. */
const retentionMs = 30 * dayMs;

export interface RunRow {
  readonly id: RunId;
  readonly worker: string;
  readonly replica: string;
  readonly started_at: Instant;
  readonly finished_at: Instant | null;
  readonly outcome: RunOutcome;
  readonly examined: bigint;
  readonly changed: bigint;
  readonly failed: bigint;
  readonly detail: JsonObject;
}

/** The record with times as text. */
export function toRunJson(row: RunRow) {
  return {
    ...row,
    started_at: isoTime(row.started_at),
    finished_at: row.finished_at === null ? null : isoTime(row.finished_at),
  };
}

export interface BatchCounts {
  readonly examined: number;
  readonly changed: number;
  readonly failed: number;
  /** Counts by the names of the worker. They are added to those of the run. */
  readonly counts?: Readonly<Record<string, number>>;
  /** Further values of the run so far. They replace the previous values. */
  readonly detail?: JsonObject;
}

/** The end of a run, as its worker returns it. */
export interface RunResult {
  readonly outcome: Exclude<RunOutcome, 'running'>;
  readonly detail?: JsonObject;
}

/** A run whose record is open. */
export interface OpenRun {
  readonly id: RunId;
  /** No other run of this worker is active, here or on another replica. */
  readonly isOnlyRun: boolean;
  /** The work may assign this. The record stores its result at the end, also if the work fails. */
  detail: () => JsonObject;
}

export interface RunRecordOptions {
  readonly worker: string;
  readonly clockBasis?: ClockBasis;
}

/**
 * Executes the work of a run inside its record.
 *
 * 1. The record is opened. If the clock does not permit this run, the record closes as `skipped`.
 * 2. The result of the work closes the record.
 * 3. A fault of the work is logged, and closes the record as `failed`. A suspicious time closes the
 *    record as `skipped`.
 * 4. If the record cannot be written, the next run of this replica closes it as `lost`.
 *
 * @throws only if the record cannot be written
 */
export async function withRunRecord(
  { db, replica, log }: Pick<RunContext, 'db' | 'replica' | 'log'>,
  { worker, clockBasis = 'time' }: RunRecordOptions,
  work: (run: OpenRun) => Promise<RunResult>,
): Promise<RunRow> {
  const execute = async (run: OpenRun): Promise<RunResult> => {
    try {
      const skipReason = await checkClock(db, worker, log, clockBasis);
      if (skipReason !== undefined) return { outcome: 'skipped', detail: { ...skipReason } };
      return await work(run);
    } catch (error) {
      const fault = toFault(error);
      const { kind, code, message } = fault;
      if (isClockFault(fault)) return { outcome: 'skipped', detail: { reason: message, code } };
      log.error({ worker, code, err: fault }, 'run failed');
      return { outcome: 'failed', detail: { kind, code, error: message } };
    }
  };
  const id = await reserveRunId(db);
  try {
    const isOnlyRun = await startRun(db, id, worker, replica, await readClock(db));
    const run: OpenRun = { id, isOnlyRun, detail: () => ({}) };
    const { outcome, detail } = await execute(run);
    return await finishRun(db, id, await readClock(db), outcome, { ...run.detail(), ...detail });
  } catch (error) {
    replica.unclosed.add(id);
    throw error;
  }
}

/** Reserves the id of a run, so that its record is found even if an answer is lost. */
export async function reserveRunId(db: Db): Promise<RunId> {
  const { rows } = await sql<{ id: RunId }>`
    SELECT nextval('perennial.worker_run_id_seq') AS id`.execute(db);
  return (rows[0] as { id: RunId }).id;
}

/**
 * Opens the record, and closes records of dead replicas as `lost`. Repairs a step back of the clock
 * before.
 * @returns whether no other run of this worker is active, here or on another replica
 */
export async function startRun(
  db: Db,
  id: RunId,
  worker: string,
  replica: Replica,
  now: Instant,
): Promise<boolean> {
  await repairAfterStepBack(db, now);
  const number = await replica.lockNumber();
  await closeLostRuns(db, worker, replica, now);
  await sql`
    INSERT INTO perennial.worker_state AS s (worker, runs) VALUES (${worker}, 1)
    ON CONFLICT (worker) DO UPDATE SET runs = s.runs + 1`.execute(db);
  const { rows } = await sql<{ alone: boolean }>`
    INSERT INTO perennial.worker_run AS r (id, worker, replica, replica_number, started_at)
    OVERRIDING SYSTEM VALUE
    VALUES (${id}, ${worker}, ${replica.name}, ${number}, ${isoTime(now)})
    RETURNING ${isOnlyRun} AS alone`.execute(db);
  return rows[0]?.alone ?? true;
}

/** About the record `r`. Uses the index of active runs, which are few. */
const isOnlyRun = sql`NOT EXISTS (SELECT FROM perennial.worker_run other
  WHERE other.worker = r.worker AND other.outcome = 'running' AND other.id <> r.id)`;

/**
 * Counts a batch, as the last statement of its transaction. Of two open batches, the second one
 * waits here for the COMMIT of the first one, and for nothing else.
 * @returns whether no other run of this worker is active, here or on another replica
 */
export async function countBatch(tx: Tx, id: RunId, counts: BatchCounts): Promise<boolean> {
  if (counts.examined === 0 && counts.failed === 0) return true;
  const countEntries = Object.entries(counts.counts ?? {});
  const { rows } = await sql<{ alone: boolean }>`
    UPDATE perennial.worker_run r
    SET examined = examined + ${counts.examined}, changed = changed + ${counts.changed},
      failed = failed + ${counts.failed},
      detail = detail || ${JSON.stringify(counts.detail ?? {})}::jsonb || (
        SELECT coalesce(jsonb_object_agg(word, coalesce((detail->>word)::bigint, 0) + n), '{}')
        FROM ${unnest('batch', countEntries, {
          word: ['text', ([word]) => word],
          n: ['bigint', ([, n]) => n],
        })})
    WHERE id = ${id}
    RETURNING ${isOnlyRun} AS alone`.execute(tx);
  return rows[0]?.alone ?? true;
}

/**
 * Closes the record. Each batch was counted in its own transaction, so a batch whose COMMIT had no
 * answer is counted as well.
 *
 * - An idle run is deleted, unless the last run had a problem or an alarm is open.
 * - Any other run deletes the records that are too old.
 *
 * @returns the record with the counts of all batches
 */
export async function finishRun(
  db: Db,
  id: RunId,
  now: Instant,
  outcome: Exclude<RunOutcome, 'running'>,
  detail: JsonObject,
): Promise<RunRow> {
  const { rows } = await sql<RunRow>`
    UPDATE perennial.worker_run
    SET outcome = ${outcome}, finished_at = greatest(started_at, ${isoTime(now)}::timestamptz),
      detail = detail || ${JSON.stringify(detail)}::jsonb
    WHERE id = ${id}
    RETURNING id, worker, replica, started_at, finished_at, outcome, examined, changed, failed,
      detail`.execute(db);
  const row = rows[0] as RunRow;
  if (isCompletePass(row)) {
    await sql`
      UPDATE perennial.worker_state SET passed_at = ${isoTime(row.started_at)}
      WHERE worker = ${row.worker}`.execute(db);
  }
  if (row.outcome === 'skipped') await raiseClockAlarm(db, row);
  if (row.outcome === 'success' && row.examined === 0n) {
    await dropIdle(db, row);
  } else {
    await deleteByAge(db);
  }
  return row;
}

/** Also deletes old idempotency keys. A run with work comes with commands and their keys. */
async function deleteByAge(db: Db): Promise<void> {
  const at = await confirmDeletionTime(db);
  if (at === undefined) return;
  await sql`
    DELETE FROM perennial.worker_run
    WHERE started_at < ${isoTime(later(at, -retentionMs))} AND outcome <> 'running'`.execute(db);
  await deleteOldKeys(db, at);
}
/** All items that were due at the begin are done, except those that another session has locked. */
const isCompletePass = ({ outcome, detail }: RunRow): boolean =>
  (outcome === 'success' || outcome === 'degraded') &&
  detail.work_left !== true &&
  Number(detail.left_to_another ?? 0) === 0;

/** The search for the last run of a worker goes back this far. */
const lastRunMs = dayMs;

async function dropIdle(db: Db, { id, worker, started_at }: RunRow): Promise<void> {
  await sql`
    DELETE FROM perennial.worker_run
    WHERE id = ${id} AND coalesce((
      SELECT last.outcome FROM perennial.worker_run last
      WHERE last.worker = ${worker} AND last.id < ${id}
        AND last.started_at > ${isoTime(later(started_at, -lastRunMs))}
        AND last.outcome NOT IN ('skipped', 'running')
      ORDER BY last.started_at DESC, last.id DESC LIMIT 1),
      'success') NOT IN ('failed', 'lost', 'degraded')
      AND NOT EXISTS (SELECT FROM perennial.notification n
        WHERE n.customer_id IS NULL AND n.kind IN ('alarm_worker', 'alarm_guard', 'alarm_money_guard')
          AND coalesce(n.params->>'subject', n.params->>'worker') = ${worker}
          AND n.created_at > ${isoTime(later(started_at, -retentionMs))}
          AND NOT ${isAlarmCleared('n')})`.execute(db);
}

/** A machine with a wrong clock runs nothing, so it raises its alarm by itself. */
async function raiseClockAlarm(db: Db, { id, replica, detail }: RunRow): Promise<void> {
  const { skew_s } = detail;
  if (typeof skew_s !== 'number') return;
  const [machine = replica, pid] = replica.split(/:(?=\d+$)/);
  await inTransaction(db, async (tx) => {
    const { rows } = await sql<{ number: number }>`
      SELECT replica_number AS number FROM perennial.worker_run WHERE id = ${id}`.execute(tx);
    const clock = `the clock of ${machine} (process ${pid}, replica ${rows[0]?.number})`;
    const way = skew_s > 0 ? 'ahead of' : 'behind';
    const sentence = `${clock} is ${Math.abs(skew_s)} s ${way} the database clock`;
    await raiseAlarms(tx, [
      { kind: 'alarm_clock', params: { replica: machine, skew_s, sentence } },
    ]);
  });
}

/** The latest record of each worker. Records are kept for 30 days, and idle runs have none. */
export async function readLastRuns(db: Db): Promise<RunRow[]> {
  const { rows } = await sql<RunRow>`
    SELECT DISTINCT ON (worker) id, worker, replica, started_at, finished_at, outcome, examined,
      changed, failed, detail
    FROM perennial.worker_run ORDER BY worker, id DESC`.execute(db);
  return rows;
}
