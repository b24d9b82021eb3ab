import { type Job, PgBoss } from 'pg-boss';
import { toFault } from '../db/faults.ts';
import { createQueueClock, repairEveryMs, repairFutureTimes } from '../db/queue-clock.ts';
import { toSessionUrl } from '../db/session.ts';
import { type Instant, secondMs } from '../kernel/instant.ts';
import { pause } from '../kernel/timer.ts';
import { type TroubleLog, throttledLogger } from '../logging/throttled-log.ts';
import { pauseUnfit } from '../runs/unfit-pause.ts';
import type { NextDue } from '../runs/worker.ts';
import { watchDue } from './due-watch.ts';
import { createSlots, type Slots } from './slots.ts';

// Who runs what, and where: the only file that knows pg-boss.
//
// Each worker is a queue with the policy `stately`: at most one run waits behind the one that is
// going on, whoever asked for it. Who asks:
//
// - time: each replica asks for the run of a slot when the slot begins. A slot is the time of the
//   database divided by the interval, and the first who asks takes it, so that doubling by N
//   replicas is harmless;
// - the moment at which something becomes due by itself (`due-watch.ts`);
// - a command that made something due: NOTIFY on `perennial_wake`, sent with its commit;
// - a run that left work behind, or that failed for a reason that passes.
//
// A run holds its job by heartbeats. Those of a dead replica stop, and the others take the job over.
// All of this is for speed and for peace, never for being right: two runs at once, or one too many,
// are harmless (rows, locks and constraints see to that), and one that is missing is late.

/** How a run ended, as far as it matters for what comes next. */
export type RunEnd =
  | 'done'
  /** There is more to do: the next run follows at once. */
  | 'more'
  /** Failed by something that passes: the next run follows after a pause. */
  | 'try-again'
  /** Failed by something that doesn't pass by itself: the next run is the next slot's. */
  | 'failed'
  /** This process is not fit to run it, another one may be. */
  | 'unfit';

export interface RunnableWorker {
  readonly name: string;
  readonly everyMs: number;
  /** Longer than any run takes: then it is given up, and somebody else may run it. */
  readonly runMaxMs: number;
  /** For one that is woken when something becomes due: see `SubscriptionWorker`. */
  nextDue?(after: Instant | undefined): Promise<NextDue>;
  run(signal: AbortSignal): Promise<RunEnd>;
}

export interface QueueOptions {
  readonly url: string;
  readonly workers: readonly RunnableWorker[];
  /** PostgreSQL's channel on which wake-ups come, each naming a worker. */
  readonly wakeChannel: string;
  readonly serverTime: () => Promise<Instant>;
  readonly log: TroubleLog;
  /** After a failed run, so that a worker that fails can't spin. */
  readonly failurePauseMs?: number;
  /** Whether the clock of this machine is right. Without it no run starts here. */
  readonly isClockRight?: () => boolean;
  /** For tests: the pause after a skipped run. */
  readonly unfitMs?: number;
}

export interface Queue {
  /** Starts nothing new, lets the batches in hand end, and hands on what is left. */
  stop(graceMs: number): Promise<void>;
}

const schema = 'perennial_queue';

/** pg-boss's minimum. With the beats and the watch below, a dead replica is missed in 7 to 12 s. */
const heartbeatSeconds = 10;
/** Two beats may get lost, by a busy machine or network, before a living run is taken for dead. */
const beatSeconds = 3;
/** How often one of the replicas looks for jobs whose heartbeat stopped; pg-boss's minimum. */
const watchSeconds = 1;
/** How often a replica looks for jobs that others left; what it queues itself it takes at once. */
const pollSeconds = 1;
/** Finished jobs are kept at least this long; a slot is taken as long as its job is kept. */
const retentionSeconds = 120;
/** Several wake-ups within this time make one run: a storm of top-ups must not be one of runs. */
const wakeGapMs = 250;
/** The longest sleep of the ticker: a server whose clock was set is noticed within this time. */
const tickMaxMs = 30 * secondMs;
/** After a tick that failed; also how long a failed run holds its place. */
const failurePauseMs = 5 * secondMs;

/** pg-boss counts in whole seconds, and a job lasts a day at most. */
const toWholeSeconds = (ms: number): number => Math.max(1, Math.round(ms / secondMs));

function openBoss(url: string, now: Instant): PgBoss {
  // pg-boss hands these to `pg` as they are. A statement whose answer never comes (a network that
  // swallows packets) fails; all of its statements are short.
  const connection = { ...toSessionUrl(url), keepAlive: true, query_timeout: 30 * secondMs };
  return new PgBoss({
    ...connection,
    application_name: 'perennial queue',
    schema,
    clock: createQueueClock(now),
    max: 4,
    // No cron (slots see to that), no registry of instances (replicas hold a lock), no flows.
    schedule: false,
    registerInstance: false,
    flowIntervalSeconds: 3600,
    superviseIntervalSeconds: watchSeconds,
    monitorIntervalSeconds: watchSeconds,
    maintenanceIntervalSeconds: 60,
  });
}

async function prepareQueue(boss: PgBoss, worker: RunnableWorker): Promise<void> {
  const settings = {
    heartbeatSeconds,
    expireInSeconds: Math.min(toWholeSeconds(worker.runMaxMs), 24 * 3600),
    // A run whose process died is run again, however often that happens.
    retryLimit: 1_000_000,
    retryDelay: 0,
    deleteAfterSeconds: Math.max(retentionSeconds, 2 * toWholeSeconds(worker.everyMs)),
  };
  await boss.createQueue(worker.name, { policy: 'stately', ...settings });
  // One that an older version made has that version's settings.
  await boss.updateQueue(worker.name, settings);
}

/** Starts the workers of this process. @throws what the database refused */
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

  /** Queues a run, unless one waits already, and has this process look at once. */
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
      // It could not even be recorded: the database is away. The job is tried again.
      log.error({ worker: worker.name, err: toFault(error) }, 'run could not be carried out');
      await sleep(options.failurePauseMs ?? failurePauseMs);
      throw new Error('the run could not be carried out; see the log', { cause: error });
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
    // Not awaited: it waits for the run in hand, which is the one that called.
    resumeLater().catch((error: unknown) => logError(error, `queue of ${worker.name}`));
  }

  const waking = new Map<string, 'once' | 'again'>();
  /** Asks for a run now; further wake-ups within the gap are one more run after it. */
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
  /** Asks for the runs of the slots that began. @returns how long nothing begins */
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

  /** Says what was repaired: until then a dead process could hold a queue. */
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
        logError(error, `what ${worker.name} waits for`);
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
      // Each run ends its batch, queues what it left, and completes; then the connections close.
      const stopped = boss.stop({ graceful: true, timeout: graceMs });
      await Promise.all([listening.close(), loops, stopped]);
    },
  };
}

/**
 * Hears wake-ups on a connection of its own, which comes back by itself. What was said meanwhile
 * is lost, so after that everybody is woken.
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
      else options.log.debug({ name }, 'wake-up for a worker that is not here');
    },
    () => {
      if (wasConnected) for (const worker of options.workers) wake(worker);
      wasConnected = true;
    },
  );
  return listening ?? { close: () => Promise.resolve() };
}
