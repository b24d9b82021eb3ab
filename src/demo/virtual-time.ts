import { setClock } from '../db/clock.ts';
import type { Db } from '../db/connect.ts';
import { dayMs, earliest, type Instant, later, minuteMs, secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { pause } from '../kernel/timer.ts';
import { openReplica } from '../leases/replica.ts';
import type { Log } from '../logging/log.ts';
import type { Worker } from '../workers/index.ts';
import type { DemoCustomers } from './customers.ts';

// Virtual time: the stored clock of the database moves from one due time to the next, and the
// workers of a service run at these times. Only the pace of the view waits for real time.

export interface VirtualTimeOptions {
  readonly db: Db;
  readonly url: string;
  readonly workers: readonly Worker[];
  readonly customers: DemoCustomers;
  readonly from: Instant;
  /** Virtual milliseconds per real millisecond. */
  readonly rate: number;
  readonly signal: AbortSignal;
  readonly log: Pick<Log, 'warn' | 'error'>;
  /** True if no change of a node is pending. Nodes work in real time. */
  readonly isSynced: () => Promise<boolean>;
  /** Called between two steps, and while no work is due. */
  readonly onStep: (now: Instant) => Promise<void>;
}

/**
 * Each worker runs at most once in this real time, so that a machine with one free core reaches the
 * rate. At 3,600 times that is every 5 minutes of virtual time.
 */
const workerIntervalMinMs = 83;
/** The interval of the simulated customers. */
const customersEveryMs = 5 * minuteMs;
/** The pause if the clock is ahead of the pace, so that the view stays smooth. */
const idlePauseMs = 50;
/** The limit of a wait for the nodes, which take about 20 ms of real time. */
const syncWaitMaxMs = secondMs;
const syncPollMs = 5;

/** Runs until `signal`, and completes the current step. */
export async function runVirtualTime(options: VirtualTimeOptions): Promise<Instant> {
  const { db, signal, from, rate } = options;
  const replica = openReplica(options.url);
  const elapsedMs = stopwatch();
  const dueAt = new Map(options.workers.map((worker) => [worker, from]));
  const intervalMinMs = workerIntervalMinMs * rate;
  const frequentWorkers = options.workers.filter(({ everyMs }) => everyMs < dayMs);
  let customersAt = later(from, Math.max(customersEveryMs, intervalMinMs));
  let now = from;

  async function run(worker: Worker): Promise<void> {
    const context = {
      db,
      replica,
      batchMax: 1_000,
      budgetMs: 15 * secondMs,
      signal,
      log: options.log,
    };
    await worker.run({ ...context, elapsedMs: stopwatch() });
    dueAt.set(worker, later(now, Math.max(worker.everyMs, intervalMinMs)));
  }

  const sleep = (ms: number) => pause(ms, signal);

  /** Otherwise an hour would pass between an end and its removal. */
  async function waitForNodes(): Promise<void> {
    const waitedMs = stopwatch();
    while (!signal.aborted && waitedMs() < syncWaitMaxMs && !(await options.isSynced())) {
      await sleep(syncPollMs);
    }
  }

  try {
    while (!signal.aborted) {
      const next = [...dueAt.values()].reduce(earliest, customersAt);
      if (next > later(from, elapsedMs() * rate)) {
        await options.onStep(now);
        await sleep(idlePauseMs);
        continue;
      }
      now = next;
      await setClock(db, now);
      if (customersAt <= now) {
        // A top-up wakes auto-renewal, as in a service.
        if (await options.customers.act(now))
          for (const worker of frequentWorkers) await run(worker);
        customersAt = later(now, Math.max(customersEveryMs, intervalMinMs));
      }
      for (const [worker, at] of dueAt) if (at <= now) await run(worker);
      await waitForNodes();
      await options.onStep(now);
    }
    return now;
  } finally {
    await replica.close();
  }
}
