import { minuteMs, secondMs } from '../../kernel/instant.ts';
import type { Alarm } from '../../notify/alarms.ts';

// Workers that do not run, as the watchdog of a process sees them.
//
// 1. A worker is silent if no run of it has begun anywhere for 3 times its interval.
// 2. Time is that of the process, which only moves forward: what a clock says does not matter. So
//    nothing is said before the process has watched for that long.

/** What the database says of a worker. */
export interface WorkerProgress {
  readonly worker: string;
  readonly runs: bigint;
}

export interface Watched {
  readonly name: string;
  readonly everyMs: number;
}

/** A worker whose interval is a second must not be reported because of a slow machine. */
const silentMinMs = 30 * secondMs;

interface Seen {
  readonly runs: bigint;
  readonly sinceMs: number;
}

export class Silence {
  readonly #workers: readonly Watched[];
  readonly #seen: Map<string, Seen> = new Map();

  constructor(workers: readonly Watched[]) {
    this.#workers = workers;
  }

  /** @param elapsedMs of a clock that only moves forward */
  look(progress: readonly WorkerProgress[], elapsedMs: number): Alarm[] {
    const of = new Map(progress.map((one) => [one.worker, one]));
    return this.#workers.flatMap(({ name, everyMs }) => {
      const runs = of.get(name)?.runs ?? 0n;
      const silentMs = this.#unchangedMs(name, runs, elapsedMs);
      if (silentMs < Math.max(3 * everyMs, silentMinMs)) return [];
      const every = duration(everyMs);
      return [alarm(name, `No run has begun for ${duration(silentMs)}; it is due every ${every}.`)];
    });
  }

  /** How long the number of runs has been the same. */
  #unchangedMs(worker: string, runs: bigint, elapsedMs: number): number {
    const last = this.#seen.get(worker);
    if (last?.runs === runs) return elapsedMs - last.sinceMs;
    this.#seen.set(worker, { runs, sinceMs: elapsedMs });
    return 0;
  }
}

const alarm = (worker: string, error: string): Alarm => ({
  kind: 'alarm_worker',
  params: { worker, failures: 0, error },
});

const duration = (ms: number): string =>
  ms < 2 * minuteMs ? `${Math.round(ms / secondMs)} s` : `${Math.round(ms / minuteMs)} min`;
