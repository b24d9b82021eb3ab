import pg from 'pg';
import { expect, test } from 'vitest';
import { readServerTime } from '../../../src/db/clock.ts';
import { hourMs, type Instant, later, secondMs } from '../../../src/kernel/instant.ts';
import { openQueue, type Queue, type QueueOptions } from '../../../src/scheduler/queue.ts';
import type { RunEnd, RunnableWorker } from '../../../src/scheduler/runnable-worker.ts';
import { until } from '../../../testbed/until.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

// The queue alone, with workers that only return the end of a run.

const wakeChannel = 'perennial_wake';

type ReplicaOptions = Partial<QueueOptions> & Partial<Pick<RunnableWorker, 'everyMs' | 'nextDue'>>;

/** A replica of one worker. Each run waits until the test decides how it ends. */
class Replica implements AsyncDisposable {
  readonly messages: string[] = [];
  begun = 0;
  running = 0;
  end: RunEnd = 'done';
  release: (() => void) | undefined;
  /** Whether runs wait for `release`. */
  held = false;
  queue: Queue | undefined;

  async open(database: TestDatabase, options: ReplicaOptions = {}): Promise<this> {
    const write = (_: object, message: string) => void this.messages.push(message);
    this.queue = await openQueue({
      url: database.url,
      workers: [
        {
          name: 'auto-renewal',
          everyMs: options.everyMs ?? hourMs,
          runMaxMs: 60 * secondMs,
          run: (signal) => this.#run(signal),
          ...(options.nextDue === undefined ? {} : { nextDue: options.nextDue }),
        },
      ],
      wakeChannel,
      serverTime: () => readServerTime(database.db),
      log: { debug: write, warn: write, error: write },
      ...options,
    });
    return this;
  }

  async #run(signal: AbortSignal): Promise<RunEnd> {
    this.begun += 1;
    this.running += 1;
    if (this.held) {
      await new Promise<void>((resolve) => {
        this.release = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.running -= 1;
    return signal.aborted ? 'more' : this.end;
  }

  reached(runs: number, deadlineMs?: number): Promise<true> {
    return until(`${runs} runs (there were ${this.begun})`, () => this.begun >= runs, deadlineMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue?.stop(2_000);
  }
}

async function readJobs(database: TestDatabase): Promise<{ state: string; slots: number }[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query(`
    SELECT state, count(DISTINCT singleton_on)::int AS slots FROM perennial_queue.job
    GROUP BY state ORDER BY state`);
  await client.end();
  return rows;
}

const notify = (database: TestDatabase, worker = 'auto-renewal') =>
  database.pool.query(`SELECT pg_notify('${wakeChannel}', '${worker}')`);

test('a slot has one run, for any number of replicas that request it', async () => {
  await using database = await createDatabase();
  await using one = await new Replica().open(database, { everyMs: secondMs });
  await using two = await new Replica().open(database, { everyMs: secondMs });
  await until('four slots', async () =>
    (await readJobs(database)).some(({ state, slots }) => state === 'completed' && slots >= 4),
  );
  const begun = one.begun + two.begun;
  const { rows } = await database.pool.query(`
    SELECT count(*)::int AS jobs, count(DISTINCT singleton_on)::int AS slots
    FROM perennial_queue.job`);
  const [{ jobs: all, slots }] = rows;
  expect(all).toBe(slots);
  expect(begun).toBeGreaterThanOrEqual(4);
  expect(begun).toBeLessThanOrEqual(slots);
});

test('a wake-up starts a run within a second', async () => {
  await using database = await createDatabase();
  await using replica = await new Replica().open(database);
  await replica.reached(1);
  const notifiedAtMs = performance.now();
  await notify(database);
  await replica.reached(2);
  expect(performance.now() - notifiedAtMs).toBeLessThan(1_000);
  await notify(database, 'another-worker');
  await until('the run under the other name', () =>
    replica.messages.includes('wake-up for an unknown worker'),
  );
});

test('work that becomes due by itself starts a run at that time, and two replicas cause at most two', async () => {
  await using database = await createDatabase();
  let due: Instant | undefined;
  const nextDue = async (after: Instant | undefined) => {
    const now = await readServerTime(database.db);
    return { now, at: due !== undefined && due > (after ?? now) ? due : undefined };
  };
  await using one = await new Replica().open(database, { nextDue });
  await using two = await new Replica().open(database, { nextDue });
  const begun = () => one.begun + two.begun;
  const quiet = () =>
    until('no run waits', async () =>
      (await readJobs(database)).every(({ state }) => state === 'completed'),
    );
  await until('the first run', () => begun() > 0);
  await quiet();
  const before = begun();
  due = later(await readServerTime(database.db), 1_500);
  await until('a run', () => begun() > before);
  const lateMs = (await readServerTime(database.db)) - due;
  expect(lateMs).toBeGreaterThanOrEqual(0);
  // The 2 s of the poll, and the time of a run.
  expect(lateMs).toBeLessThan(4_000);
  await quiet();
  expect(begun()).toBeLessThanOrEqual(before + 2);
});

test('wake-ups during a run make one more run, not one each', async () => {
  await using database = await createDatabase();
  await using replica = await new Replica().open(database);
  await replica.reached(1);
  replica.held = true;
  await notify(database);
  await replica.reached(2);
  for (let i = 0; i < 20; i += 1) await notify(database);
  await until('one waits', async () =>
    (await readJobs(database)).some(({ state }) => state === 'created'),
  );
  replica.held = false;
  replica.release?.();
  await replica.reached(3);
  await until('all done', async () =>
    (await readJobs(database)).every(({ state }) => state === 'completed'),
  );
  // The last wake-up may have come when the first one was queued already: one more at most.
  expect(replica.begun).toBeLessThanOrEqual(4);
});

test('two replicas never run one worker at once, and a run with work left has a successor', async () => {
  await using database = await createDatabase();
  await using one = await new Replica().open(database);
  await using two = await new Replica().open(database);
  await until('the first', () => one.begun + two.begun > 0);
  one.end = 'more';
  two.end = 'more';
  let most = 0;
  await notify(database);
  await until('thirty runs', () => {
    most = Math.max(most, one.running + two.running);
    return one.begun + two.begun >= 30;
  });
  expect(most).toBeLessThanOrEqual(1);
  one.end = 'done';
  two.end = 'done';
});

test('a failed run is followed by a pause, and a transient failure is retried', async () => {
  await using database = await createDatabase();
  await using replica = await new Replica().open(database, { failurePauseMs: 400 });
  await replica.reached(1);
  replica.end = 'try-again';
  const notifiedAtMs = performance.now();
  await notify(database);
  await replica.reached(4);
  // Three pauses lie between the second and the fourth run and the check.
  expect(performance.now() - notifiedAtMs).toBeGreaterThanOrEqual(2 * 400);
  replica.end = 'done';
});

test('an unfit replica leaves the work to the other one', async () => {
  await using database = await createDatabase();
  await using unfit = new Replica();
  unfit.end = 'unfit';
  await unfit.open(database);
  await unfit.reached(1);
  await using fit = await new Replica().open(database);
  await fit.reached(1, 5_000);
  expect(unfit.begun).toBe(1);
  await notify(database);
  await fit.reached(2, 5_000);
  expect(unfit.begun).toBe(1);
});

test('K8: a replica whose clock is wrong takes no run, and takes runs again when the clock is right', async () => {
  await using database = await createDatabase();
  let isRight = false;
  await using off = new Replica();
  off.end = 'unfit';
  await off.open(database, { isClockRight: () => isRight, unfitMs: 50 });
  await off.reached(1);
  // Without the other replica, each wake-up waits in the queue.
  await notify(database);
  await until('a run waits', async () =>
    (await readJobs(database)).some(({ state }) => state === 'created'),
  );
  await using right = await new Replica().open(database);
  for (const runs of [1, 2, 3]) {
    await right.reached(runs, 5_000);
    await notify(database);
  }
  expect(off.begun).toBe(1);
  await right[Symbol.asyncDispose]();
  isRight = true;
  await notify(database);
  await off.reached(2, 10_000);
});

test('a stop aborts the active run and hands the work that is left to the other replica at once', async () => {
  await using database = await createDatabase();
  const going = new Replica();
  going.held = true;
  await going.open(database);
  await going.reached(1);
  await using staying = await new Replica().open(database);
  const notifiedAtMs = performance.now();
  await going.queue?.stop(5_000);
  await staying.reached(1, 5_000);
  expect(performance.now() - notifiedAtMs).toBeLessThan(3_000);
  expect(going.begun).toBe(1);
});

test('W3: after the database clock was a year ahead, claims and jobs of a dead process hold no queue', async () => {
  await using database = await createDatabase();
  const first = await new Replica().open(database);
  await first.reached(1);
  await first[Symbol.asyncDispose]();
  // The state that a crashed process leaves at a wrong time.
  await database.pool.query(`
    UPDATE perennial_queue.job SET state = 'active', completed_on = NULL,
      created_on = now() + interval '358 days', started_on = now() + interval '358 days',
      heartbeat_on = now() + interval '358 days', keep_until = now() + interval '400 days'
    WHERE id = (SELECT id FROM perennial_queue.job LIMIT 1);
    UPDATE perennial_queue.queue SET monitor_claim_on = now() + interval '358 days',
      monitor_on = now() + interval '358 days', maintain_on = now() + interval '358 days';
    UPDATE perennial_queue.version SET bam_on = now() + interval '358 days',
      flow_on = now() + interval '358 days'`);
  await using second = await new Replica().open(database);
  await second.reached(1, 30_000);
  expect(second.messages).toContain('queue: timestamps in the future were pulled back');
  const { rows } = await database.pool.query(`
    SELECT count(*)::int AS ahead FROM perennial_queue.job
    WHERE greatest(created_on, started_on, heartbeat_on, completed_on, start_after)
      > now() + interval '1 minute' OR keep_until > now() + interval '20 days'`);
  expect(rows[0].ahead).toBe(0);
});
