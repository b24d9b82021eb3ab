import { sql } from 'kysely';
import { type Connection, connectAlone } from '../../db/alone.ts';
import { type Db, inTransaction, type Limits, type Tx } from '../../db/connect.ts';
import { faultOf } from '../../db/faults.ts';
import { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { Bell } from '../bell.ts';
import { Silence, type Watched, type WorkerProgress } from './silence.ts';
import { lockedTables, unlessLocked } from './store.ts';
import { lookAndRaise } from './worker.ts';

// The watchdog: raises and clears alarms without the queue and without the pool.
//
// It has a connection and a timer of its own, on each replica. The lock of the alarms and the open
// alarms themselves see to it that replicas do not repeat each other.

export interface WatchdogOptions {
  readonly url: string;
  readonly workers: readonly Watched[];
  readonly onError: (error: unknown) => void;
  readonly lookMs?: number;
  /** For tests: a clock that only moves forward. */
  readonly elapsedMs?: () => number;
}

export interface Watchdog {
  stop(): Promise<void>;
}

/** A third of the shortest silence that is reported. */
const lookMs = 10 * secondMs;
/** A look reads some indexes. It must end also if the server is busy. */
const limits: Limits = {
  statementMs: 10 * secondMs,
  lockMs: 5 * secondMs,
  idleInTransactionMs: 15 * secondMs,
};

export function startWatchdog(options: WatchdogOptions): Watchdog {
  const stopping = new AbortController();
  const { signal } = stopping;
  const silence = new Silence(options.workers);
  const elapsedMs = options.elapsedMs ?? stopwatch();

  async function session(): Promise<void> {
    await using connection: Connection = await connectAlone(options.url, limits);
    while (!signal.aborted) {
      await watch(connection.db, silence, elapsedMs());
      await new Bell().wait(options.lookMs ?? lookMs, signal);
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await session().catch(options.onError);
      await new Bell().wait(options.lookMs ?? lookMs, signal);
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

/** One look. @param elapsedMs of the process */
export async function watch(db: Db, silence: Silence, elapsedMs: number): Promise<void> {
  const look = async (tx: Tx) => {
    const progress = await unlessLocked(tx, readProgress);
    const silent = progress === undefined ? [] : silence.look(progress, elapsedMs);
    await lookAndRaise(tx, silent);
  };
  await inTransaction(db, look).catch(async (error) => {
    throw await notStored(db, error);
  });
}

/**
 * An alarm is a row of `notification`. Its foreign keys need `customer` and `subscription`, so while
 * one of these tables is locked as a whole, only the log names the session.
 */
async function notStored(db: Db, error: unknown): Promise<unknown> {
  if (faultOf(error).code !== 'pg_55P03') return error;
  const locks = await inTransaction(db, (tx) => lockedTables(tx, 0));
  if (locks.length === 0) return error;
  const tables = locks.map(({ params: { subject, cause } }) => `${subject} is locked by ${cause}`);
  const sentence = `alarms cannot be stored: the table ${tables.join('; the table ')}`;
  return new Fault('transient', 'alarms_not_stored', sentence, error);
}

async function readProgress(tx: Tx): Promise<WorkerProgress[]> {
  const { rows } = await sql<WorkerProgress>`
    SELECT worker, runs FROM perennial.worker_state`.execute(tx);
  return rows;
}
