import type { Config } from './config/config.ts';
import { toWorkerSettings } from './config/settings.ts';
import { readServerTime } from './db/clock.ts';
import type { Db } from './db/connect.ts';
import { wakeChannel } from './db/notify.ts';
import { minuteMs, secondMs } from './kernel/instant.ts';
import { stopwatch } from './kernel/stopwatch.ts';
import { openReplica, type Replica } from './leases/replica.ts';
import type { Log } from './logging/log.ts';
import { throttledLogger } from './logging/throttled-log.ts';
import type { RunRow } from './runs/run-record.ts';
import { openQueue } from './scheduler/queue.ts';
import type { RunEnd, RunnableWorker } from './scheduler/runnable-worker.ts';
import { startCouriers } from './workers/deliver-notifications/couriers.ts';
import { requireOnlyAccount } from './workers/deliver-notifications/lease.ts';
import { openDelivery } from './workers/deliver-notifications/open.ts';
import { workers as allWorkers, type Worker } from './workers/index.ts';
import { startKeepers } from './workers/keep-node/keepers.ts';
import { startWatchdog } from './workers/raise-alarms/watchdog.ts';
import { connectNode } from './xray/grpc/client.ts';

// The assembly of a service: queue and workers, keepers of nodes, couriers and the watchdog.

/** A service has to end within 10 s. Its runs get this part to end their batch. */
const stopGraceMs = 6 * secondMs;

export interface Service {
  readonly workers: readonly string[];
  stop(): Promise<void>;
}

/** The open and checked database of a service. The service does not close it. */
export interface ServiceDatabase {
  readonly config: Config;
  readonly db: Db;
  readonly url: string;
  /** Whether the clock of this machine is right. */
  readonly isClockRight?: () => boolean;
}

/** Starts the workers, keepers and couriers. Returns when each worker may run. */
export async function startService(
  database: ServiceDatabase,
  log: Log,
  workers: readonly Worker[] = allWorkers,
): Promise<Service> {
  // First, so that a wrong text is reported at the start.
  const delivery = openDelivery(database.config, log);
  await requireOnlyAccount(database.db, delivery.channels);
  const replica = openReplica(database.url);
  const { isClockRight } = database;
  const clock = isClockRight === undefined ? {} : { isClockRight };
  const queue = await openQueue({
    url: database.url,
    workers: workers.map((worker) => toRunnable(worker, database, replica, log)),
    wakeChannel,
    serverTime: () => readServerTime(database.db),
    log,
    ...clock,
  });
  const { url, db } = database;
  const logError = throttledLogger(log);
  const watchdog = startWatchdog({
    url,
    workers: workers.map((worker) => ({
      name: worker.name,
      everyMs: toWorkerSettings(database.config, worker).everyMs,
    })),
    onError: (error) => logError(error, 'watchdog'),
  });
  const keepers = startKeepers({ url, db, connect: connectNode, log });
  const couriers = startCouriers({ url, db, replica, ...delivery, log, ...clock });
  return {
    workers: [...workers.map((worker) => worker.name), 'keep-node', 'deliver-notifications'],
    async stop() {
      await Promise.all([
        queue.stop(stopGraceMs),
        keepers.stop(),
        couriers.stop(),
        watchdog.stop(),
      ]);
      await replica.close();
    },
  };
}

function toRunnable(
  worker: Worker,
  database: ServiceDatabase,
  replica: Replica,
  log: Log,
): RunnableWorker {
  const { everyMs, batchMax, budgetMs } = toWorkerSettings(database.config, worker);
  const { nextDue } = worker;
  return {
    name: worker.name,
    everyMs,
    // Whole batches, each within its statement timeouts, may outlast the budget.
    runMaxMs: budgetMs + 10 * minuteMs,
    ...(nextDue === undefined ? {} : { nextDue: (after) => nextDue(database.db, after) }),
    async run(signal) {
      const elapsedMs = stopwatch();
      const { db } = database;
      const row = await worker.run({ db, replica, batchMax, budgetMs, signal, elapsedMs, log });
      logRun(log, row, elapsedMs());
      return toRunEnd(row);
    },
  };
}

/** An idle run has no record, and its log line is only for debugging. */
function logRun(log: Log, row: RunRow, tookMs: number): void {
  const { id, worker, outcome, examined, changed, failed, detail } = row;
  const level = outcome === 'success' && examined === 0n ? 'debug' : 'info';
  const counts = { examined: Number(examined), changed: Number(changed), failed: Number(failed) };
  const fields = { worker, run: id.toString(), outcome, ...counts, detail };
  log[level]({ ...fields, tookMs: Math.round(tookMs) }, 'run ended');
}

/** Decides when the next run follows. */
function toRunEnd(row: RunRow): RunEnd {
  switch (row.outcome) {
    case 'failed':
      return row.detail.kind === 'transient' ? 'try-again' : 'failed';
    case 'skipped':
      return 'unfit';
    case 'partial':
      return 'more';
    case 'degraded':
      // Items that a guard holds wait for a person. A run at once would hold them again.
      return row.detail.work_left === true && !row.detail.held ? 'more' : 'done';
    case 'success':
    case 'running':
    case 'lost':
      return 'done';
  }
}
