import type { Job, PgBoss } from 'pg-boss';
import { toFault } from '../db/faults.ts';
import { repairEveryMs, repairFutureTimes } from '../db/queue-clock.ts';
import { type Instant, secondMs } from '../kernel/instant.ts';
import { pause } from '../kernel/timer.ts';
import type { Log } from '../logging/log.ts';
import { throttledLogger } from '../logging/throttled-log.ts';
import { pauseUnfit } from '../runs/unfit-pause.ts';
import {
  beatSeconds,
  openBoss,
  pollSeconds,
  prepareQueue,
  schema,
  toWholeSeconds,
} from './boss.ts';
import { watchDue } from './due-watch.ts';
import type { RunEnd, RunnableWorker } from './runnable-worker.ts';
import { createSlots, type Slots } from './slots.ts';

// The queue of runs on pg-boss: it decides which replica runs which worker, and when.
//
// Scheduling affects latency and load only. Rows, locks and constraints guarantee correctness. A
// duplicate run is harmless, and a missing run is late.
//
// 1. Each worker is a queue with the policy `stately`: one run is active, and at most one run
//    waits.
// 2. Time requests runs: each replica requests the run of a slot when the slot begins. A slot is
//    the database time divided by the interval. The first request counts, so N replicas cause one
//    run.
// 3. `due-watch.ts` requests a run when something becomes due by itself.
// 4. A command that makes something due requests a run by NOTIFY on `perennial_wake`, with its
//    commit.
// 5. A run requests the next one if work is left, or after a transient failure.
// 6. A run holds its job by heartbeats. If the heartbeats of a dead replica stop, another replica
//    takes the job over.

export interface QueueOptions {
  readonly url: string;
  readonly workers: readonly RunnableWorker[];
  /** The NOTIFY channel of wake-ups. Each wake-up names a worker. */
  readonly wakeChannel: string;
  readonly serverTime: () => Promise<Instant>;
  readonly log: Pick<Log, 'debug' | 'warn' | 'error'>;
  /** The pause after a failed run. It limits the rate of a worker that always fails. */
  readonly failurePauseMs?: number;
  /** Whether the clock of this machine is right. While it is wrong, no run starts here. */
  readonly isClockRight?: () => boolean;
  /** For tests: the pause after a skipped run. */
  readonly unfitMs?: number;
}

export interface Queue {
  /** Starts no new run, lets open batches end, and requests runs for the work that is left. */
  stop(graceMs: number): Promise<void>;
}

/** Several wake-ups within this time cause one run, so many top-ups do not cause many runs. */
const wakeGapMs = 250;

/** The longest pause of the ticker. A server whose clock was set is noticed within this time. */
const tickMaxMs = 30 * secondMs;

/** The pause after a failed tick. A failed run holds its job as long. */
const failurePauseMs = 5 * secondMs;

/** Starts the workers of this process. @throws the fault of the database */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const { log, workers } = options;
  const boss = openBoss(options.url, await options.serverTime());
  const logError = throttledLogger(log);
  boss.on('error', (error) => logError(error, 'queue'));
  boss.on('warning', ({ message, data }) => log.warn({ data }, `queue: ${message}`));
  await boss.start().catch(async (error: unknown) => {
    await boss.stop({ graceful: false });
    throw error;
  });

  const stopping = new AbortController();
  const { signal } = stopping;
  const fetchers = new Map<string, string>();
  const sleep = (ms: number) => pause(ms, signal);

  /** Queues a run, unless one is waiting already. Then this process fetches at once. */
  async function requestRun(worker: RunnableWorker, slots?: Slots): Promise<void> {
    const sendOptions = slots === undefined ? {} : { singletonSeconds: slots.seconds };
    const queued = await boss.send(worker.name, null, sendOptions);
    const fetcher = fetchers.get(worker.name);
    if (queued !== null && fetcher !== undefined) boss.notifyWorker(fetcher);
  }

  async function startFetching(worker: RunnableWorker): Promise<void> {
    const handler = async ([job]: Job<unknown>[]) => {
      if (job !== undefined) await executeRun(worker, AbortSignal.any([signal, job.signal]));
    };
    const workOptions = {
      pollingIntervalSeconds: pollSeconds,
      heartbeatRefreshSeconds: beatSeconds,
    };
    fetchers.set(worker.name, await boss.work(worker.name, workOptions, handler));
  }

  async function executeRun(worker: RunnableWorker, runSignal: AbortSignal): Promise<void> {
    let runEnd: RunEnd;
    try {
      runEnd = await worker.run(runSignal);
    } catch (error) {
      // The run could not even be recorded: the database is unreachable. The job is retried.
      log.error({ worker: worker.name, err: toFault(error) }, 'run could not start');
      await sleep(options.failurePauseMs ?? failurePauseMs);
      throw new Error('the run could not start; see the log', { cause: error });
    }
    if (runEnd === 'try-again' || runEnd === 'failed')
      await sleep(options.failurePauseMs ?? failurePauseMs);
    if (runEnd === 'unfit') pauseWorker(worker);
    if (runEnd === 'more' || runEnd === 'try-again' || runEnd === 'unfit') await requestRun(worker);
  }

  /** Leaves a worker to other replicas for a while. */
  function pauseWorker(worker: RunnableWorker): void {
    fetchers.delete(worker.name);
    const resumeLater = async () => {
      await boss.offWork(worker.name);
      await pauseUnfit({ ...options, signal, isClockRight: options.isClockRight });
      if (!signal.aborted) await startFetching(worker);
    };
    // Not awaited: `offWork` waits for the active run, which is the caller.
    resumeLater().catch((error: unknown) => logError(error, `queue of ${worker.name}`));
  }

  const waking = new Map<string, 'once' | 'again'>();
  /** Requests a run now. Further wake-ups within the gap cause one more run after it. */
  async function wake(worker: RunnableWorker): Promise<void> {
    if (waking.has(worker.name)) {
      waking.set(worker.name, 'again');
      return;
    }
    do {
      waking.set(worker.name, 'once');
      await requestRun(worker).catch((error: unknown) =>
        logError(error, `wake-up of ${worker.name}`),
      );
      await sleep(wakeGapMs);
    } while (waking.get(worker.name) === 'again' && !signal.aborted);
    waking.delete(worker.name);
  }

  const slots = workers.map((worker) => ({
    worker,
    slots: createSlots(toWholeSeconds(worker.everyMs)),
  }));
  const requestedSlots = new Map<string, number>();
  /** Requests the runs of the slots that began. @returns ms until the next slot begins */
  async function tick(): Promise<number> {
    const now = await options.serverTime();
    let waitMs = tickMaxMs;
    for (const each of slots) {
      const slot = each.slots.at(now);
      if (requestedSlots.get(each.worker.name) !== slot) await requestRun(each.worker, each.slots);
      requestedSlots.set(each.worker.name, slot);
      waitMs = Math.min(waitMs, each.slots.leftMs(now));
    }
    return waitMs;
  }

  /** Repairs timestamps in the future, by which a dead process could hold a queue. */
  async function repair(): Promise<void> {
    const rows = await repairFutureTimes(boss.getDb(), schema);
    if (rows > 0) log.warn({ rows }, 'queue: timestamps in the future were pulled back');
  }

  async function runRepairLoop(): Promise<void> {
    while (!signal.aborted) {
      await sleep(repairEveryMs);
      if (!signal.aborted) await repair().catch((error: unknown) => logError(error, 'queue clock'));
    }
  }

  async function runTickLoop(): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await tick().catch((error: unknown) => {
        logError(error, 'schedule');
        return failurePauseMs;
      });
      await sleep(waitMs);
    }
  }

  /** Wakes a worker whenever something has become due by itself. */
  async function runDueWatch(worker: RunnableWorker): Promise<void> {
    const nextDue = worker.nextDue?.bind(worker);
    if (nextDue === undefined) return;
    const readNextDue = (after: Instant | undefined) =>
      nextDue(after).catch((error: unknown) => {
        logError(error, `due time of ${worker.name}`);
        return undefined;
      });
    await watchDue({ signal, readNextDue, wake: () => void wake(worker), sleep });
  }

  async function open(): Promise<{ close(): Promise<void> }> {
    await repair();
    for (const worker of workers) await prepareQueue(boss, worker);
    for (const worker of workers) await startFetching(worker);
    return listen(boss, options, (worker) => void wake(worker));
  }
  const listening = await open().catch(async (error: unknown) => {
    await boss.stop({ graceful: false });
    throw error;
  });
  const loops = Promise.all([runTickLoop(), runRepairLoop(), ...workers.map(runDueWatch)]);

  return {
    async stop(graceMs) {
      stopping.abort();
      // Each run ends its batch, requests the next run, and completes. Then the connections close.
      const stopped = boss.stop({ graceful: true, timeout: graceMs });
      await Promise.all([listening.close(), loops, stopped]);
    },
  };
}

/**
 * Receives wake-ups on a separate connection, which reconnects by itself. Wake-ups during a gap are
 * lost, so all workers are woken after a reconnect.
 */
async function listen(
  boss: PgBoss,
  options: QueueOptions,
  wake: (worker: RunnableWorker) => void,
): Promise<{ close(): Promise<void> }> {
  let wasConnected = false;
  const listening = await boss.getDb().listen?.(
    options.wakeChannel,
    (name) => {
      const worker = options.workers.find((each) => each.name === name);
      if (worker !== undefined) wake(worker);
      else options.log.debug({ name }, 'wake-up for an unknown worker');
    },
    () => {
      if (wasConnected) for (const worker of options.workers) wake(worker);
      wasConnected = true;
    },
  );
  return listening ?? { close: () => Promise.resolve() };
}
