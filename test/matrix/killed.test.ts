import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  callOf,
  runAutoRenewal,
  runOf,
  type Snapshot,
  snapshotOfBooks,
  wrongsIn,
} from '../a-book.ts';
import type { Books } from '../books.ts';
import { until } from '../service/until.ts';
import { type Breakable, breakable } from './broken-statement.ts';
import { startChild } from './child.ts';
import { commands, customerBegins, fillOneCustomer } from './commands.ts';
import { beginsAt, fillEndedBook, fillMixedBook, fillRemindedBook } from './mixed-book.ts';

// A process is killed (SIGKILL) before or after a statement of its work, and the work is done
// again: as if it had been done once. Here at a few statements of each work, COMMIT's two sides
// always among them; `npm run proof:crashes` does all.

const all = process.env.CRASHES === 'all';

/** How many in between, by work: a process costs a third of a second. */
const between = { run: 4, command: 1 };

interface Point {
  readonly n: number;
  readonly when: 'before' | 'after';
}

function pointsOf(statements: readonly string[], some: number): Point[] {
  const points = statements.flatMap((_, at): Point[] => [
    { n: at + 1, when: 'before' },
    { n: at + 1, when: 'after' },
  ]);
  if (all) return points;
  const step = Math.ceil(points.length / (some + 1));
  return points.filter(
    (point, at) => at % step === step - 1 || statements[point.n - 1] === 'commit',
  );
}

/** Nobody is connected to the books but us: what was killed has let go of its locks. */
async function alone(books: Books): Promise<void> {
  await until('the killed process to be gone from the server', async () => {
    const { rows } = await sql<{ others: number }>`
      SELECT count(*)::int AS others FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'perennial'
        AND NOT pid = ANY(${`{${await ours(books)}}`}::int[])`.execute(books.db);
    return rows[0]?.others === 0 ? true : undefined;
  });
}

async function ours({ pool }: Books): Promise<string> {
  const clients = (pool as unknown as { _clients: { processID: number }[] })._clients;
  return clients.map(({ processID }) => processID).join(',');
}

async function killed(books: Books, work: string, { n, when }: Point): Promise<void> {
  const entry = new URL('../crash-child.ts', import.meta.url);
  await using child = startChild(entry, [books.url, work, String(n), when]);
  const { signal, lines } = await child.exit;
  expect({ signal, lines }, `${work} killed ${when} statement ${n}`).toEqual({
    signal: 'SIGKILL',
    lines: [],
  });
  await alone(books);
}

/** Killed at each point, then done again: nothing is wrong in between, and all is done at the end. */
async function holds(
  place: Breakable,
  work: string,
  some: number,
  again: () => Promise<unknown>,
): Promise<void> {
  const { books } = place;
  await place.rewind();
  const before = await snapshotOfBooks(books.db);
  const { statements } = await place.doing(again);
  const after: Snapshot = await snapshotOfBooks(books.db);
  for (const point of pointsOf(statements, some)) {
    const where = `${point.when} ${statements[point.n - 1]}`;
    await place.rewind();
    await killed(books, work, point);
    expect(await wrongsIn(books.db), where).toEqual([]);
    expect([before, after], where).toContainEqual(await snapshotOfBooks(books.db));
    await again();
    expect(await snapshotOfBooks(books.db), where).toEqual(after);
  }
}

let customer: Breakable;
let batch: Breakable;
let ended: Breakable;
let reminded: Breakable;

beforeAll(async () => {
  customer = await breakable(fillOneCustomer, customerBegins);
  batch = await breakable(fillMixedBook, beginsAt);
  ended = await breakable(fillEndedBook, beginsAt);
  reminded = await breakable(fillRemindedBook, beginsAt);
});

afterAll(async () => {
  await customer[Symbol.asyncDispose]();
  await batch[Symbol.asyncDispose]();
  await ended[Symbol.asyncDispose]();
  await reminded[Symbol.asyncDispose]();
});

test('R2 R15: a run that is killed at a statement and run again comes to what one run comes to', async () => {
  await holds(batch, 'auto-renewal', between.run, () => runAutoRenewal(batch.books));
}, 600_000);

test('P8 F4: a run of expiry that is killed at a statement and run again comes to what one run comes to', async () => {
  const again = () => runOf(ended.books, 'fast-expiry-cleanup');
  await holds(ended, 'fast-expiry-cleanup', between.run, again);
}, 600_000);

// What becomes of a courier that is killed: test/delivery, with what arrived.
test.each(['trial-notifications', 'expiry-reminders'])(
  'P8: a run of %s that is killed at a statement and run again comes to what one run comes to',
  async (worker) => {
    await holds(reminded, worker, 2, () => runOf(reminded.books, worker));
  },
  600_000,
);

test('P6: a run that is killed is closed as lost by the next one', async () => {
  await batch.rewind();
  const { books } = batch;
  await killed(books, 'auto-renewal', { n: 12, when: 'after' });
  await runAutoRenewal(books);
  const { rows } = await sql`
    SELECT outcome, finished_at IS NOT NULL AS ended FROM perennial.worker_run
    WHERE worker = 'auto-renewal' ORDER BY id DESC LIMIT 2`.execute(books.db);
  expect(rows).toEqual([
    { outcome: 'success', ended: true },
    { outcome: 'lost', ended: true },
  ]);
}, 60_000);

test.each(Object.entries(commands))(
  'R2 R16: %s that is killed at a statement and asked again with its key has one effect',
  async (work, command) => {
    const again = () => command(callOf(customer.books, 'key-1'), false);
    await holds(customer, work, between.command, again);
  },
  600_000,
);
