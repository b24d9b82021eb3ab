import pg from 'pg';
import { expect, test } from 'vitest';
import { type Books, freshBooks } from '../test/books.ts';
import { until } from '../test/service/until.ts';
import { readServerTime } from './db/clock.ts';
import { hourMs, type Instant, later, secondMs } from './kernel/instant.ts';
import { openQueue, type Queue, type QueueOptions, type RunEnd, type Runnable } from './queue.ts';

// The queue alone, with workers that do nothing but say how they ended.

const wakeChannel = 'perennial_wake';

type More = Partial<QueueOptions> & Partial<Pick<Runnable, 'everyMs' | 'nextDue'>>;

/** A replica of one worker; each run waits until the test says how it ends. */
class Replica implements AsyncDisposable {
  readonly said: string[] = [];
  begun = 0;
  running = 0;
  end: RunEnd = 'done';
  release: (() => void) | undefined;
  /** Whether runs wait for `release`. */
  held = false;
  queue: Queue | undefined;

  async open(books: Books, more: More = {}): Promise<this> {
    const say = (_: object, message: string) => void this.said.push(message);
    this.queue = await openQueue({
      url: books.url,
      workers: [
        {
          name: 'auto-renewal',
          everyMs: more.everyMs ?? hourMs,
          longestMs: 60 * secondMs,
          run: (signal) => this.#run(signal),
          ...(more.nextDue === undefined ? {} : { nextDue: more.nextDue }),
        },
      ],
      wakeChannel,
      serverTime: () => readServerTime(books.db),
      log: { debug: say, info: say, warn: say, error: say },
      ...more,
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
    return until(
      `${runs} runs (there were ${this.begun})`,
      () => (this.begun >= runs ? true : undefined),
      deadlineMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue?.stop(2_000);
  }
}

async function jobs(books: Books): Promise<{ state: string; slots: number }[]> {
  const client = new pg.Client({ connectionString: books.url });
  await client.connect();
  const { rows } = await client.query(`
    SELECT state, count(DISTINCT singleton_on)::int AS slots FROM perennial_queue.job
    GROUP BY state ORDER BY state`);
  await client.end();
  return rows;
}

const notify = (books: Books, worker = 'auto-renewal') =>
  books.pool.query(`SELECT pg_notify('${wakeChannel}', '${worker}')`);

test('a slot has one run, however many replicas ask for it', async () => {
  await using books = await freshBooks();
  await using one = await new Replica().open(books, { everyMs: secondMs });
  await using two = await new Replica().open(books, { everyMs: secondMs });
  await until('four slots', async () =>
    (await jobs(books)).some(({ state, slots }) => state === 'completed' && slots >= 4)
      ? true
      : undefined,
  );
  const begun = one.begun + two.begun;
  const { rows } = await books.pool.query(`
    SELECT count(*)::int AS jobs, count(DISTINCT singleton_on)::int AS slots
    FROM perennial_queue.job`);
  const [{ jobs: all, slots }] = rows;
  expect(all).toBe(slots);
  expect(begun).toBeGreaterThanOrEqual(4);
  expect(begun).toBeLessThanOrEqual(slots);
});

test('a wake-up starts a run within a second', async () => {
  await using books = await freshBooks();
  await using replica = await new Replica().open(books);
  await replica.reached(1);
  const asked = performance.now();
  await notify(books);
  await replica.reached(2);
  expect(performance.now() - asked).toBeLessThan(1_000);
  await notify(books, 'somebody-else');
  await until('the other name', () =>
    replica.said.includes('wake-up for a worker that is not here') ? true : undefined,
  );
});

test('what becomes due by itself starts a run at that moment, and two replicas make no more than two', async () => {
  await using books = await freshBooks();
  let due: Instant | undefined;
  const nextDue = async (after: Instant | undefined) => {
    const now = await readServerTime(books.db);
    return { now, at: due !== undefined && due > (after ?? now) ? due : undefined };
  };
  await using one = await new Replica().open(books, { nextDue });
  await using two = await new Replica().open(books, { nextDue });
  const begun = () => one.begun + two.begun;
  const quiet = () =>
    until('no run waits', async () =>
      (await jobs(books)).every(({ state }) => state === 'completed') ? true : undefined,
    );
  await until('the first run', () => (begun() > 0 ? true : undefined));
  await quiet();
  const before = begun();
  due = later(await readServerTime(books.db), 1_500);
  await until('a run', () => (begun() > before ? true : undefined));
  const lateMs = (await readServerTime(books.db)) - due;
  expect(lateMs).toBeGreaterThanOrEqual(0);
  // Within the 2 s in which it is looked for, where it came closer than that, and what a run takes.
  expect(lateMs).toBeLessThan(4_000);
  await quiet();
  expect(begun()).toBeLessThanOrEqual(before + 2);
});

test('wake-ups during a run make one more run, not one each', async () => {
  await using books = await freshBooks();
  await using replica = await new Replica().open(books);
  await replica.reached(1);
  replica.held = true;
  await notify(books);
  await replica.reached(2);
  for (let i = 0; i < 20; i += 1) await notify(books);
  await until('one waits', async () =>
    (await jobs(books)).some(({ state }) => state === 'created') ? true : undefined,
  );
  replica.held = false;
  replica.release?.();
  await replica.reached(3);
  await until('all done', async () =>
    (await jobs(books)).every(({ state }) => state === 'completed') ? true : undefined,
  );
  // The last wake-up may have come when the first of them was queued already: one more at most.
  expect(replica.begun).toBeLessThanOrEqual(4);
});

test('two replicas never run one worker at once, and a run that left work has a successor', async () => {
  await using books = await freshBooks();
  await using one = await new Replica().open(books);
  await using two = await new Replica().open(books);
  await until('the first', () => (one.begun + two.begun > 0 ? true : undefined));
  one.end = 'more';
  two.end = 'more';
  let most = 0;
  await notify(books);
  await until('thirty runs', () => {
    most = Math.max(most, one.running + two.running);
    return one.begun + two.begun >= 30 ? true : undefined;
  });
  expect(most).toBeLessThanOrEqual(1);
  one.end = 'done';
  two.end = 'done';
});

test('after a failed run there is a pause, and what passes is tried again', async () => {
  await using books = await freshBooks();
  await using replica = await new Replica().open(books, { failurePauseMs: 400 });
  await replica.reached(1);
  replica.end = 'try-again';
  const asked = performance.now();
  await notify(books);
  await replica.reached(4);
  // Three pauses lie between the second and the fourth run and what follows.
  expect(performance.now() - asked).toBeGreaterThanOrEqual(2 * 400);
  replica.end = 'done';
});

test('a replica that is not fit leaves the work to the other one', async () => {
  await using books = await freshBooks();
  await using unfit = new Replica();
  unfit.end = 'unfit';
  await unfit.open(books);
  await unfit.reached(1);
  await using fit = await new Replica().open(books);
  await fit.reached(1, 5_000);
  expect(unfit.begun).toBe(1);
  await notify(books);
  await fit.reached(2, 5_000);
  expect(unfit.begun).toBe(1);
});

test('K8: a replica whose clock is wrong takes no run, and takes runs again when the clock is right', async () => {
  await using books = await freshBooks();
  let isRight = false;
  await using off = new Replica();
  off.end = 'unfit';
  await off.open(books, { isClockRight: () => isRight, unfitMs: 50 });
  await off.reached(1);
  // Without the other replica, each wake-up waits in the queue.
  await notify(books);
  await until('a run waits', async () =>
    (await jobs(books)).some(({ state }) => state === 'created') ? true : undefined,
  );
  await using right = await new Replica().open(books);
  for (const runs of [1, 2, 3]) {
    await right.reached(runs, 5_000);
    await notify(books);
  }
  expect(off.begun).toBe(1);
  await right[Symbol.asyncDispose]();
  isRight = true;
  await notify(books);
  await off.reached(2, 10_000);
});

test('a stop aborts the run in hand and hands what is left to the other replica at once', async () => {
  await using books = await freshBooks();
  const going = new Replica();
  going.held = true;
  await going.open(books);
  await going.reached(1);
  await using staying = await new Replica().open(books);
  const asked = performance.now();
  await going.queue?.stop(5_000);
  await staying.reached(1, 5_000);
  expect(performance.now() - asked).toBeLessThan(3_000);
  expect(going.begun).toBe(1);
});

test('W3: after the database clock was a year ahead, claims and jobs of a dead process hold no queue', async () => {
  await using books = await freshBooks();
  const first = await new Replica().open(books);
  await first.reached(1);
  await first[Symbol.asyncDispose]();
  // As a process leaves them that was killed at the time that was wrong.
  await books.pool.query(`
    UPDATE perennial_queue.job SET state = 'active', completed_on = NULL,
      created_on = now() + interval '358 days', started_on = now() + interval '358 days',
      heartbeat_on = now() + interval '358 days', keep_until = now() + interval '400 days'
    WHERE id = (SELECT id FROM perennial_queue.job LIMIT 1);
    UPDATE perennial_queue.queue SET monitor_claim_on = now() + interval '358 days',
      monitor_on = now() + interval '358 days', maintain_on = now() + interval '358 days';
    UPDATE perennial_queue.version SET bam_on = now() + interval '358 days',
      flow_on = now() + interval '358 days'`);
  await using second = await new Replica().open(books);
  await second.reached(1, 30_000);
  expect(second.said).toContain('queue: timestamps in the future were pulled back');
  const { rows } = await books.pool.query(`
    SELECT count(*)::int AS ahead FROM perennial_queue.job
    WHERE greatest(created_on, started_on, heartbeat_on, completed_on, start_after)
      > now() + interval '1 minute' OR keep_until > now() + interval '20 days'`);
  expect(rows[0].ahead).toBe(0);
});
