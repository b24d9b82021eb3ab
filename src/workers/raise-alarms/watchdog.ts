import { sql } from 'kysely';
import { type Db, inTransaction, type SessionLimits, type Tx } from '../../db/connect.ts';
import { toFault } from '../../db/faults.ts';
import { openSingleConnection, type SingleConnection } from '../../db/single-connection.ts';
import { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { WakeableSleep } from '../../leases/wakeable-sleep.ts';
import { SilenceDetector, type WatchedWorker, type WorkerRuns } from './queue-silence.ts';
import { readLockedTables, runUnlessLocked } from './store.ts';
import { updateAlarms } from './worker.ts';

// The watchdog: raises and clears alarms without the queue and without the pool.
//
// Each replica has one, with its own connection and timer. The alarm lock and the open alarms
// prevent duplicates between replicas.

export interface WatchdogOptions {
  readonly url: string;
  readonly workers: readonly WatchedWorker[];
  readonly onError: (error: unknown) => void;
  readonly everyMs?: number;
  /** For tests: a monotonic clock. */
  readonly elapsedMs?: () => number;
}

export interface Watchdog {
  stop(): Promise<void>;
}

/** A third of the shortest silence that is reported. */
const defaultEveryMs = 10 * secondMs;
/** A check reads some indexes. It must also end if the server is busy. */
const limits: SessionLimits = {
  statementMs: 10 * secondMs,
  lockMs: 5 * secondMs,
  idleInTransactionMs: 15 * secondMs,
};

export function startWatchdog(options: WatchdogOptions): Watchdog {
  const stopping = new AbortController();
  const { signal } = stopping;
  const silenceDetector = new SilenceDetector(options.workers);
  const elapsedMs = options.elapsedMs ?? stopwatch();

  async function runSession(): Promise<void> {
    await using connection: SingleConnection = await openSingleConnection(options.url, limits);
    while (!signal.aborted) {
      await checkAlarms(connection.db, silenceDetector, elapsedMs());
      await new WakeableSleep().sleep(options.everyMs ?? defaultEveryMs, signal);
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await runSession().catch(options.onError);
      await new WakeableSleep().sleep(options.everyMs ?? defaultEveryMs, signal);
    }
  }

  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** One check. @param elapsedMs of the process */
export async function checkAlarms(
  db: Db,
  silenceDetector: SilenceDetector,
  elapsedMs: number,
): Promise<void> {
  const check = async (tx: Tx) => {
    const progress = await runUnlessLocked(tx, readWorkerRuns);
    const silentAlarms = progress === undefined ? [] : silenceDetector.check(progress, elapsedMs);
    await updateAlarms(tx, silentAlarms);
  };
  await inTransaction(db, check).catch(async (error) => {
    throw await toNotStoredFault(db, error);
  });
}

/**
 * An alarm is a row of `notification`. Its foreign keys need `customer` and `subscription`. While
 * one of these tables is locked as a whole, only the log names the session.
 */
async function toNotStoredFault(db: Db, error: unknown): Promise<unknown> {
  if (toFault(error).code !== 'pg_55P03') return error;
  const locks = await inTransaction(db, (tx) => readLockedTables(tx, 0));
  if (locks.length === 0) return error;
  const tables = locks.map(({ params: { subject, cause } }) => `${subject} is locked by ${cause}`);
  const sentence = `alarms cannot be stored: the table ${tables.join('; the table ')}`;
  return new Fault('transient', 'alarms_not_stored', sentence, error);
}

async function readWorkerRuns(tx: Tx): Promise<WorkerRuns[]> {
  const { rows } = await sql<WorkerRuns>`
    SELECT worker, runs FROM perennial.worker_state`.execute(tx);
  return rows;
}
