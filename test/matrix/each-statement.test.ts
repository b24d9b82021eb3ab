import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runAutoRenewal, type Snapshot, snapshotOfBooks, wrongsIn } from '../a-book.ts';
import { type Breakable, type Broken, breakable, passingFaults } from './broken-statement.ts';
import { beginsAt, dueOutcome, fillMixedBook } from './mixed-book.ts';

// A run of one batch, broken at each of its statements in turn: before it (by each kind of fault
// that passes by itself, in turn; by all of them with CRASHES=all), and after it, when the server
// did it and the answer is lost, COMMIT's among them.

let place: Breakable;
let before: Snapshot;
let after: Snapshot;
let statements: readonly string[] = [];

beforeAll(async () => {
  place = await breakable(fillMixedBook, beginsAt);
  const { books } = place;
  before = await snapshotOfBooks(books.db);
  ({ statements } = await place.doing(() => runAutoRenewal(books)));
  after = await snapshotOfBooks(books.db);
});

afterAll(() => place[Symbol.asyncDispose]());

beforeEach(() => place.rewind());

test('R2: a run that nothing disturbs does all that the book has for it', async () => {
  const { books } = place;
  expect(await runAutoRenewal(books)).toMatchObject(dueOutcome);
  expect(await snapshotOfBooks(books.db)).toEqual(after);
  expect(await wrongsIn(books.db)).toEqual([]);
  expect(after).not.toEqual(before);
});

/** The broken run leaves all or nothing; the next one comes to what an undisturbed one does. */
async function holds(broken: Broken): Promise<void> {
  const { books } = place;
  await place.rewind();
  const { result } = await place.doing(() => runAutoRenewal(books), broken);
  const where = `${broken.when} statement ${broken.n} by ${broken.fault}: ${statements[broken.n - 1]}`;
  expect(await wrongsIn(books.db), where).toEqual([]);
  const left = await snapshotOfBooks(books.db);
  expect([before, after], where).toContainEqual(left);
  // A run whose record can't be written rejects; any other is recorded as failed.
  if (result.status === 'fulfilled') expect(result.value.outcome, where).toBe('failed');
  const next = await runAutoRenewal(books);
  expect(next.outcome, where).toBe('success');
  expect(await snapshotOfBooks(books.db), where).toEqual(after);
}

const all = process.env.CRASHES === 'all';

test('R2 R15: a fault before any statement leaves nothing done, nothing in quarantine, and the next run does it', async () => {
  for (const [at] of statements.entries()) {
    const faults = all ? passingFaults : [passingFaults[at % passingFaults.length] ?? 'connection'];
    for (const fault of faults) await holds({ n: at + 1, when: 'before', fault });
  }
}, 600_000);

test("R2 R15: an answer lost after any statement, COMMIT's too, leaves all or nothing, and repeats nothing", async () => {
  for (const [at] of statements.entries()) {
    await holds({ n: at + 1, when: 'after', fault: 'connection' });
  }
}, 600_000);
