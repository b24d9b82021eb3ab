import { minuteMs, secondMs } from '../../kernel/instant.ts';
import type { Alarm } from '../../outbox/alarms.ts';

// Workers that do not run, as the watchdog of a process detects them.
//
// 1. A worker is silent if no run of it has begun anywhere for 3 times its interval.
// 2. Time is that of the process, which only moves forward. No clock affects it. So the process
//    reports nothing before it has watched for that long.

/** The runs of a worker in the database. */
export interface WorkerRuns {
  readonly worker: string;
  readonly runs: bigint;
}

export interface WatchedWorker {
  readonly name: string;
  readonly everyMs: number;
}

/** A worker with an interval of a second must not be reported because of a slow machine. */
const silentMinMs = 30 * secondMs;

interface LastRuns {
  readonly runs: bigint;
  readonly sinceMs: number;
}

export class SilenceDetector {
  readonly #workers: readonly WatchedWorker[];
  readonly #lastRuns: Map<string, LastRuns> = new Map();

  constructor(workers: readonly WatchedWorker[]) {
    this.#workers = workers;
  }

  /** @param elapsedMs by a monotonic clock */
  check(progress: readonly WorkerRuns[], elapsedMs: number): Alarm[] {
    const byWorker = new Map(progress.map((one) => [one.worker, one]));
    return this.#workers.flatMap(({ name, everyMs }) => {
      const runs = byWorker.get(name)?.runs ?? 0n;
      const silentMs = this.#unchangedMs(name, runs, elapsedMs);
      if (silentMs < Math.max(3 * everyMs, silentMinMs)) return [];
      const every = formatSilence(everyMs);
      return [
        toAlarm(name, `No run has begun for ${formatSilence(silentMs)}; it is due every ${every}.`),
      ];
    });
  }

  /** How long the number of runs has been the same. */
  #unchangedMs(worker: string, runs: bigint, elapsedMs: number): number {
    const last = this.#lastRuns.get(worker);
    if (last?.runs === runs) return elapsedMs - last.sinceMs;
    this.#lastRuns.set(worker, { runs, sinceMs: elapsedMs });
    return 0;
  }
}

const toAlarm = (worker: string, error: string): Alarm => ({
  kind: 'alarm_worker',
  params: { worker, failures: 0, error },
});

const formatSilence = (ms: number): string =>
  ms < 2 * minuteMs ? `${Math.round(ms / secondMs)} s` : `${Math.round(ms / minuteMs)} min`;
