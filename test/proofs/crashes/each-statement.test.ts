import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type BreakableDatabase,
  type BrokenStatement,
  createBreakableDatabase,
  transientFaults,
} from '../../support/broken-statement.ts';
import {
  type DatabaseSnapshot,
  findViolations,
  readDatabaseSnapshot,
} from '../../support/database-snapshot.ts';
import {
  createdAt,
  createEndedSubscriptions,
  createMixedRenewals,
  createSixReminderCustomers,
  dueOutcome,
} from '../../support/mixed-renewals.ts';
import { runWorker } from '../../support/shop.ts';

// A run of one batch, broken at each of its statements in turn: before it (by each kind of fault
// that passes by itself, in turn; by all of them with CRASHES=all), and after it, when the server
// did it and the answer is lost, COMMIT's among them.

const kinds = [
  { worker: 'auto-renewal', fill: createMixedRenewals, outcome: dueOutcome, ids: 'R2 R15: ' },
  {
    worker: 'fast-expiry-cleanup',
    fill: createEndedSubscriptions,
    outcome: { examined: 6n, changed: 6n, failed: 0n, outcome: 'success' },
    ids: 'P9 F4: ',
  },
  ...(['trial-notifications', 'expiry-reminders'] as const).map((worker) => ({
    worker,
    fill: createSixReminderCustomers,
    outcome: { examined: 3n, changed: 3n, failed: 0n, outcome: 'success' },
    ids: 'P9: ',
  })),
] as const;

describe.each(kinds)('$worker', ({ worker, fill, outcome, ids }) => {
  let breakableDatabase: BreakableDatabase;
  let before: DatabaseSnapshot;
  let after: DatabaseSnapshot;
  let statements: readonly string[] = [];

  beforeAll(async () => {
    breakableDatabase = await createBreakableDatabase(fill, createdAt);
    const { database } = breakableDatabase;
    before = await readDatabaseSnapshot(database.db);
    ({ statements } = await breakableDatabase.run(() => runWorker(database, worker)));
    after = await readDatabaseSnapshot(database.db);
  });

  afterAll(() => breakableDatabase[Symbol.asyncDispose]());

  beforeEach(() => breakableDatabase.restore());

  test(`${ids}a run that nothing disturbs does all that the book has for it`, async () => {
    const { database } = breakableDatabase;
    expect(await runWorker(database, worker)).toMatchObject(outcome);
    expect(await readDatabaseSnapshot(database.db)).toEqual(after);
    expect(await findViolations(database.db)).toEqual([]);
    expect(after).not.toEqual(before);
  });

  /** The broken run leaves all or nothing; the next one comes to what an undisturbed one does. */
  async function holds(broken: BrokenStatement): Promise<void> {
    const { database } = breakableDatabase;
    await breakableDatabase.restore();
    const { result } = await breakableDatabase.run(() => runWorker(database, worker), broken);
    const where = `${broken.when} statement ${broken.n} by ${broken.fault}: ${statements[broken.n - 1]}`;
    expect(await findViolations(database.db), where).toEqual([]);
    const partial = await readDatabaseSnapshot(database.db);
    expect([before, after], where).toContainEqual(partial);
    // A run whose record can't be written rejects; any other is recorded as failed.
    if (result.status === 'fulfilled') expect(result.value.outcome, where).toBe('failed');
    const next = await runWorker(database, worker);
    expect(next.outcome, where).toBe('success');
    expect(await readDatabaseSnapshot(database.db), where).toEqual(after);
  }

  const all = process.env.CRASHES === 'all';

  test(`${ids}a fault before any statement leaves nothing done, nothing in quarantine, and the next run does it`, async () => {
    for (const [at] of statements.entries()) {
      const faults = all
        ? transientFaults
        : [transientFaults[at % transientFaults.length] ?? 'connection'];
      for (const fault of faults) await holds({ n: at + 1, when: 'before', fault });
    }
  }, 600_000);

  test(`${ids}an answer lost after any statement, COMMIT's too, leaves all or nothing, and repeats nothing`, async () => {
    for (const [at] of statements.entries()) {
      await holds({ n: at + 1, when: 'after', fault: 'connection' });
    }
  }, 600_000);
});
