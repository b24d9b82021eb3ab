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
  createBulkGrant,
  createdAt,
  createEndedSubscriptions,
  createMixedRenewals,
  createSixReminderCustomers,
  dueOutcome,
} from '../../support/mixed-renewals.ts';
import { runWorker } from '../../support/shop.ts';

// A run of one batch that is broken at each of its statements. Before the statement, the transient
// faults take turns (with CRASHES=all, each statement has all of them). After it, the server has
// executed it and the answer is lost, also for COMMIT.

const kinds = [
  { worker: 'auto-renewal', fill: createMixedRenewals, outcome: dueOutcome, ids: 'R2 R15: ' },
  {
    worker: 'fast-expiry-cleanup',
    fill: createEndedSubscriptions,
    outcome: { examined: 6n, changed: 6n, failed: 0n, outcome: 'success' },
    ids: 'P9 F4: ',
  },
  {
    worker: 'bulk-jobs',
    fill: createBulkGrant,
    outcome: { examined: 5n, changed: 4n, failed: 0n, outcome: 'success' },
    ids: 'G3: ',
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

  test(`${ids}an undisturbed run has all outcomes of the database`, async () => {
    const { database } = breakableDatabase;
    expect(await runWorker(database, worker)).toMatchObject(outcome);
    expect(await readDatabaseSnapshot(database.db)).toEqual(after);
    expect(await findViolations(database.db)).toEqual([]);
    expect(after).not.toEqual(before);
  });

  /** The broken run leaves all or nothing. The next run has the result of an undisturbed run. */
  async function holds(broken: BrokenStatement): Promise<void> {
    const { database } = breakableDatabase;
    await breakableDatabase.restore();
    const { result } = await breakableDatabase.run(() => runWorker(database, worker), broken);
    const where = `${broken.when} statement ${broken.n} by ${broken.fault}: ${statements[broken.n - 1]}`;
    expect(await findViolations(database.db), where).toEqual([]);
    const partial = await readDatabaseSnapshot(database.db);
    expect([before, after], where).toContainEqual(partial);
    // A run whose record cannot be written rejects. Any other run is recorded as failed.
    if (result.status === 'fulfilled') expect(result.value.outcome, where).toBe('failed');
    const next = await runWorker(database, worker);
    expect(next.outcome, where).toBe('success');
    expect(await readDatabaseSnapshot(database.db), where).toEqual(after);
  }

  const all = process.env.CRASHES === 'all';

  test(`${ids}a fault before any statement changes nothing and quarantines nothing, and the next run does the work`, async () => {
    for (const [at] of statements.entries()) {
      const faults = all
        ? transientFaults
        : [transientFaults[at % transientFaults.length] ?? 'connection'];
      for (const fault of faults) await holds({ n: at + 1, when: 'before', fault });
    }
  }, 600_000);

  test(`${ids}a lost answer to any statement, also COMMIT, leaves all or nothing, and repeats nothing`, async () => {
    for (const [at] of statements.entries()) {
      await holds({ n: at + 1, when: 'after', fault: 'connection' });
    }
  }, 600_000);
});
