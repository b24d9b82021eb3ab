import { expect, test } from 'vitest';
import { startProcess } from '../../../support/child-process.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { findViolations, readDatabaseSnapshot } from '../../../support/database-snapshot.ts';
import { createShopDatabase, createSubscribers, runAutoRenewal } from '../../../support/shop.ts';

const dueAt = '2026-11-30T20:00:00Z';

async function createCrowdedDatabase(count: number): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: dueAt });
  // Money for three months, so a second charge would succeed.
  await createSubscribers(database, {
    count,
    endsAt: '2026-12-01T00:00:00Z',
    balanceMinor: 447_00n,
    together: 7,
  });
  return database;
}

/** The number of renewals of each subscription and of each charge. */
async function readCharges(database: TestDatabase) {
  const rows = await database.query<{ subscriptions: number; renewals: number; entries: number }>`
    SELECT (SELECT count(DISTINCT subscription_id)::int FROM perennial.period
        WHERE source = 'renewal') AS subscriptions,
      (SELECT count(*)::int FROM perennial.period WHERE source = 'renewal') AS renewals,
      (SELECT count(*)::int FROM perennial.ledger_entry WHERE kind = 'renewal') AS entries`;
  return rows[0];
}

test('R1: 8 runs at once in 3 processes over 1,000 due charge each period once', async () => {
  await using database = await createCrowdedDatabase(1_000);
  const entry = new URL('../../../support/worker-process.ts', import.meta.url);
  const children = [3, 3, 2].map((runs) => startProcess(entry, [database.url, String(runs), '60']));
  try {
    for (const child of children) await child.untilLine('ready', (line) => line === 'ready');
    for (const child of children) child.writeInput('go\n');
    const outputs = await Promise.all(
      children.map((child) => child.untilLine('its result', (line) => line.startsWith('['))),
    );
    const runs = outputs.flatMap(
      (line) => JSON.parse(line) as { changed: number; outcome: string }[],
    );
    expect(await readCharges(database)).toEqual({
      subscriptions: 1_000,
      renewals: 1_000,
      entries: 1_000,
    });
    expect(await findViolations(database.db)).toEqual([]);
    expect(runs.map(({ outcome }) => outcome)).toEqual(runs.map(() => 'success'));
    expect(runs).toHaveLength(8);
    expect(runs.reduce((sum, { changed }) => sum + changed, 0)).toBe(1_000);
  } finally {
    for (const child of children) await child[Symbol.asyncDispose]();
  }
}, 120_000);

test('R1: two runs at once have the result of one run, in any order of their statements', async () => {
  await using alone = await createCrowdedDatabase(40);
  await runAutoRenewal(alone);
  const wanted = await readDatabaseSnapshot(alone.db);
  for (const batchMax of [1, 7, 40]) {
    await using database = await createCrowdedDatabase(40);
    await Promise.all([
      runAutoRenewal(database, { batchMax }),
      runAutoRenewal(database, { batchMax: batchMax + 3 }),
    ]);
    // Customers whom another run held are left to the next run.
    await runAutoRenewal(database);
    expect(await readDatabaseSnapshot(database.db)).toEqual(wanted);
  }
}, 60_000);
