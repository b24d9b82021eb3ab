import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { runOf, type Snapshot, snapshotOfBooks, wrongsIn } from '../a-book.ts';
import { type Breakable, type Broken, breakable, passingFaults } from './broken-statement.ts';
import {
  beginsAt,
  dueOutcome,
  fillEndedBook,
  fillMixedBook,
  fillRemindedBook,
} from './mixed-book.ts';

// A run of one batch, broken at each of its statements in turn: before it (by each kind of fault
// that passes by itself, in turn; by all of them with CRASHES=all), and after it, when the server
// did it and the answer is lost, COMMIT's among them.

const kinds = [
  { worker: 'auto-renewal', fill: fillMixedBook, outcome: dueOutcome, ids: 'R2 R15: ' },
  {
    worker: 'fast-expiry-cleanup',
    fill: fillEndedBook,
    outcome: { examined: 6n, changed: 6n, failed: 0n, outcome: 'success' },
    ids: 'P9 F4: ',
  },
  ...(['trial-notifications', 'expiry-reminders'] as const).map((worker) => ({
    worker,
    fill: fillRemindedBook,
    outcome: { examined: 3n, changed: 3n, failed: 0n, outcome: 'success' },
    ids: 'P9: ',
  })),
] as const;

describe.each(kinds)('$worker', ({ worker, fill, outcome, ids }) => {
  let place: Breakable;
  let before: Snapshot;
  let after: Snapshot;
  let statements: readonly string[] = [];

  beforeAll(async () => {
    place = await breakable(fill, beginsAt);
    const { books } = place;
    before = await snapshotOfBooks(books.db);
    ({ statements } = await place.doing(() => runOf(books, worker)));
    after = await snapshotOfBooks(books.db);
  });

  afterAll(() => place[Symbol.asyncDispose]());

  beforeEach(() => place.rewind());

  test(`${ids}a run that nothing disturbs does all that the book has for it`, async () => {
    const { books } = place;
    expect(await runOf(books, worker)).toMatchObject(outcome);
    expect(await snapshotOfBooks(books.db)).toEqual(after);
    expect(await wrongsIn(books.db)).toEqual([]);
    expect(after).not.toEqual(before);
  });

  /** The broken run leaves all or nothing; the next one comes to what an undisturbed one does. */
  async function holds(broken: Broken): Promise<void> {
    const { books } = place;
    await place.rewind();
    const { result } = await place.doing(() => runOf(books, worker), broken);
    const where = `${broken.when} statement ${broken.n} by ${broken.fault}: ${statements[broken.n - 1]}`;
    expect(await wrongsIn(books.db), where).toEqual([]);
    const left = await snapshotOfBooks(books.db);
    expect([before, after], where).toContainEqual(left);
    // A run whose record can't be written rejects; any other is recorded as failed.
    if (result.status === 'fulfilled') expect(result.value.outcome, where).toBe('failed');
    const next = await runOf(books, worker);
    expect(next.outcome, where).toBe('success');
    expect(await snapshotOfBooks(books.db), where).toEqual(after);
  }

  const all = process.env.CRASHES === 'all';

  test(`${ids}a fault before any statement leaves nothing done, nothing in quarantine, and the next run does it`, async () => {
    for (const [at] of statements.entries()) {
      const faults = all
        ? passingFaults
        : [passingFaults[at % passingFaults.length] ?? 'connection'];
      for (const fault of faults) await holds({ n: at + 1, when: 'before', fault });
    }
  }, 600_000);

  test(`${ids}an answer lost after any statement, COMMIT's too, leaves all or nothing, and repeats nothing`, async () => {
    for (const [at] of statements.entries()) {
      await holds({ n: at + 1, when: 'after', fault: 'connection' });
    }
  }, 600_000);
});
