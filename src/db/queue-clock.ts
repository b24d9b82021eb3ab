import { type Instant, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { startInterval, startTimer } from '../kernel/timer.ts';

// Time for the scheduler.
//
// 1. The timers of pg-boss wait by a clock that starts at the time of the database and then moves
//    forward with the process. After a step back of the wall clock by 25 days a wait would be
//    longer than the maximum of a timer. Such a timer fires at once, again and again.
// 2. After a step back of the database, pg-boss's own tables have timestamps in the future. Claims
//    of supervision are refused until then, and jobs of a dead process stay active. So these
//    timestamps are pulled back, at the start and every 30 s.

/** A clock for the option `clock` of pg-boss. @param start the time of the database */
export function createQueueClock(start: Instant, elapsedMs: () => number = stopwatch()) {
  return {
    now: () => start + Math.floor(elapsedMs()),
    setTimeout: startTimer,
    clearTimeout: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout),
    setInterval: startInterval,
    clearInterval: (timer: unknown) => clearInterval(timer as NodeJS.Timeout),
  };
}

export const repairEveryMs = 30 * secondMs;

/** All replicas use one database clock. A larger lead is a step of it. */
const clockTolerance = `interval '5 seconds'`;

/**
 * Claims and times of past events never lie ahead. The start and the deletion of a job may: pg-boss
 * keeps a job for at most 14 days.
 */
const queueColumns: readonly (readonly [
  table: string,
  columns: readonly string[],
  ahead: string,
])[] = [
  ['version', ['cron_on', 'bam_on', 'flow_on', 'reindex_on'], clockTolerance],
  ['version', ['monitor_backoff_on'], `interval '1 hour'`],
  [
    'queue',
    ['monitor_claim_on', 'monitor_on', 'maintain_on', 'retained_on', 'delta_on'],
    clockTolerance,
  ],
  [
    'job',
    ['start_after', 'created_on', 'started_on', 'heartbeat_on', 'completed_on'],
    clockTolerance,
  ],
  ['job', ['keep_until'], `interval '15 days'`],
];

/** The connection by which pg-boss runs a statement. */
export interface QueueConnection {
  executeSql(text: string): Promise<{ rows: { rows?: number }[] }>;
}

/** @returns how many rows had a timestamp in the future */
export async function repairFutureTimes(queue: QueueConnection, schema: string): Promise<number> {
  let rows = 0;
  for (const [table, columns, limit] of queueColumns) {
    const latest = `clock_timestamp() + ${limit}`;
    const assignments = columns.map((column) => `${column} = least(${column}, clock_timestamp())`);
    const conditions = columns.map((column) => `${column} > ${latest}`);
    const statement = `WITH repaired AS (
      UPDATE ${schema}.${table} SET ${assignments.join(', ')} WHERE ${conditions.join(' OR ')} RETURNING 1)
      SELECT count(*)::int AS rows FROM repaired`;
    const result = await queue.executeSql(statement);
    rows += Number(result.rows[0]?.rows ?? 0);
  }
  return rows;
}
