import { sql } from 'kysely';
import { readClock } from './db/clock.ts';
import type { Db } from './db/connect.ts';
import { UsageFault } from './kernel/faults.ts';
import { isoTime, later, secondMs } from './kernel/instant.ts';
import { stopwatch } from './kernel/stopwatch.ts';
import { startInterval } from './kernel/timer.ts';
import type { Log } from './logging/log.ts';
import { type Worker, workers } from './workers/index.ts';

// The stored clock of a test database under a service. The clock moves only with `--rate`.

/** The interval of its steps. */
const tickMs = 250;

interface VirtualClock {
  stop(): void;
}

export interface ClockDatabase {
  readonly db: Db;
  readonly installation: { readonly test: boolean };
}

/** @throws UsageFault `not_a_test` for a rate on any other database */
export async function openVirtualClock(
  { db, installation }: ClockDatabase,
  rate: number | undefined,
  log: Pick<Log, 'warn'>,
): Promise<VirtualClock> {
  if (!installation.test) {
    if (rate === undefined) return { stop: () => undefined };
    throw new UsageFault(
      'not_a_test',
      '--rate: this database is not a test; only one made by "perennial migrate --test" has a clock that can be moved',
    );
  }
  const from = await readClock(db);
  const clock = isoTime(from);
  if (rate === undefined) {
    log.warn(
      { clock },
      'this is a test database: its clock stands still, so nothing becomes due; --rate N moves it, and a real database is made without --test',
    );
    return { stop: () => undefined };
  }
  log.warn({ clock, rate }, 'this is a test database: its clock is moved at the given rate');
  const elapsedMs = stopwatch();
  let busy = false;
  const timer = startInterval(() => {
    if (busy) return;
    busy = true;
    advanceClock(db, isoTime(later(from, elapsedMs() * rate)))
      .catch(() => undefined) // the next step repeats it
      .finally(() => {
        busy = false;
      });
  }, tickMs);
  return { stop: () => clearInterval(timer) };
}

/** Never back: if two services have a rate, the faster one counts. */
async function advanceClock(db: Db, at: string): Promise<void> {
  await sql`
    UPDATE perennial.installation SET clock_at = greatest(clock_at, ${at}) WHERE test`.execute(db);
}

/** Workers whose intervals pass as fast as the moved clock, at least a second of real time each. */
export function scaleIntervals(rate: number | undefined): readonly Worker[] {
  if (rate === undefined || rate === 1) return workers;
  return workers.map((worker) => ({
    ...worker,
    everyMs: Math.max(secondMs, worker.everyMs / rate),
  }));
}
