import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunId } from '../../../src/kernel/ids.ts';
import { openReplica } from '../../../src/leases/replica.ts';
import { startRun } from '../../../src/runs/run-record.ts';
import {
  type BreakableDatabase,
  createBreakableDatabase,
  transientFaults,
} from '../../support/broken-statement.ts';
import type { TestDatabase } from '../../support/database.ts';
import {
  type DatabaseSnapshot,
  findViolations,
  readDatabaseSnapshot,
} from '../../support/database-snapshot.ts';
import { hookPool, type StatementHook } from '../../support/hooked-pool.ts';
import { createdAt, createMixedRenewals } from '../../support/mixed-renewals.ts';
import {
  addCustomer,
  buyPlan,
  createShopDatabase,
  createSubscribers,
  expectSubscription,
  parseTime,
  runAutoRenewal,
  runWorkerAt,
  setPrice,
} from '../../support/shop.ts';

// The pipelining of batches: auto-renewal finds and reads a batch while it writes the previous one.
//
// To make both overlap, the COMMIT of the first batch waits here until the second batch is found.

const start = '2026-11-01T00:00:00Z';
const dueAt = '2026-11-30T20:00:00Z';

async function createOverlappingDatabase(): Promise<TestDatabase> {
  let [first, found]: [unknown, PromiseWithResolvers<void>] = [
    undefined,
    Promise.withResolvers<void>(),
  ];
  const hook: StatementHook = async ({ sql: text, when, client }) => {
    if (when === 'before' && text.includes('SKIP LOCKED')) first ??= client;
    if (first === undefined) return;
    const isFirst = client === first;
    if (when === 'after' && text.includes('s.next_try_at IS NULL') && !isFirst) found.resolve();
    if (when === 'before' && text === 'commit' && isFirst) await found.promise;
  };
  const database = await createShopDatabase({
    now: start,
    wrapPool: (pool) => hookPool(pool, hook),
  });
  return database;
}

test.each([1, 2])(
  'R11: an item whose customer is in the open batch waits, and is paid before later ends (batches of %s)',
  async (batchMax) => {
    await using database = await createOverlappingDatabase();
    await addCustomer(database, 1n, { balanceMinor: 745_00n });
    const first = await buyPlan(database, 1n, { isNew: true });
    const [middle, last] = [
      await moveClock(database, '2026-11-01T00:10:00Z'),
      await moveClock(database, '2026-11-01T00:20:00Z'),
    ];
    expect(await runWorkerAt(database, dueAt, 'auto-renewal', { batchMax })).toMatchObject({
      outcome: 'success',
    });
    await expectSubscription(database, first, { charges: 2, balance: 0 });
    await expectSubscription(database, middle, { charges: 2 });
    await expectSubscription(database, last, { charges: 1, lowBalanceNotices: 1 });
    expect(await findViolations(database.db)).toEqual([]);
  },
);

/** Purchases a month at this time. */
async function moveClock(database: TestDatabase, when: string) {
  await database.setClock(when);
  return buyPlan(database, 1n, { isNew: true });
}

test('R11: a late renewal that is due again is paid before items of the next page with later ends', async () => {
  await using database = await createOverlappingDatabase();
  await setPrice(database, 'mini', 1, 10_00n, 'RUB');
  await addCustomer(database, 1n, { balanceMinor: 318_00n });
  const month = await moveClock(database, '2026-11-01T01:30:00Z');
  await database.setClock('2026-11-29T01:00:00Z');
  const day = await buyPlan(database, 1n, { isNew: true, plan: 'mini', periodDays: 1 });
  // No worker ran after the end of the day, and its next period ends before the month.
  expect(await runWorkerAt(database, dueAt, 'auto-renewal', { batchMax: 1 })).toMatchObject({
    changed: 2n,
  });
  await expectSubscription(database, day, { charges: 3, ends: '2026-12-02T01:00:00Z' });
  const short = { charges: 1, lowBalanceNotices: 1, balance: 139_00 };
  await expectSubscription(database, month, short);
  expect(await findViolations(database.db)).toEqual([]);
});

test('P6: batches that are open at once are all counted', async () => {
  await using database = await createOverlappingDatabase();
  await createSubscribers(database, {
    count: 45,
    endsAt: '2026-12-01T00:00:00Z',
    balanceMinor: 149_00n,
  });
  expect(await runWorkerAt(database, dueAt, 'auto-renewal', { batchMax: 10 })).toMatchObject({
    outcome: 'success',
    examined: 45n,
    changed: 45n,
    detail: { renewed: 45, short: 0 },
  });
  expect(await findViolations(database.db)).toEqual([]);
});

test('P6: a run that fails lets the other open batch end first, and counts it', async () => {
  const [locked, undone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const clients: unknown[] = [];
  const writes = (text: string) => text.includes('INSERT INTO perennial.notification');
  await using database = await createShopDatabase({
    now: dueAt,
    wrapPool: (pool) =>
      hookPool(pool, async ({ sql: text, when, client }) => {
        if (when === 'after' && text.includes('SKIP LOCKED')) {
          if (clients.push(client) === 2) locked.resolve();
        }
        if (client === clients[0] && when === 'before' && writes(text)) {
          await locked.promise;
          throw new Error('Connection terminated unexpectedly');
        }
        if (client === clients[0] && when === 'after' && text === 'rollback') undone.resolve();
        if (client === clients[1] && when === 'before' && writes(text)) {
          await undone.promise;
          // Enough time for a run that does not wait to close its record.
          for (let n = 0; n < 10; n += 1) await pool.query('SELECT');
        }
      }),
  });
  await createSubscribers(database, {
    count: 30,
    endsAt: '2026-12-01T00:00:00Z',
    balanceMinor: 149_00n,
  });
  const row = await runAutoRenewal(database, { batchMax: 10 });
  expect(row).toMatchObject({ outcome: 'failed', changed: 10n, detail: { renewed: 10 } });
  expect(await runAutoRenewal(database)).toMatchObject({ outcome: 'success', changed: 20n });
  expect(await findViolations(database.db)).toEqual([]);
});

let breakable: BreakableDatabase;
let after: DatabaseSnapshot;
let statements: readonly string[] = [];

beforeAll(async () => {
  breakable = await createBreakableDatabase(createMixedRenewals, createdAt);
  ({ statements } = await breakable.run(() => runAutoRenewal(breakable.database, { batchMax: 2 })));
  after = await readDatabaseSnapshot(breakable.database.db);
});

afterAll(() => breakable[Symbol.asyncDispose]());

const countRenewals = async (): Promise<bigint> =>
  (
    await breakable.database.query<{ n: bigint }>`
      SELECT count(*) AS n FROM perennial.period WHERE source = 'renewal'`
  )[0]?.n ?? -1n;

const all = process.env.CRASHES === 'all';

test.each(['before', 'after'] as const)(
  'R2 R15: a fault %s a statement with two open batches fails the run with no open transaction, and the next run does the rest',
  async (when) => {
    for (const [at, text] of statements.entries()) {
      if (!all && at % 7 !== 3 && text !== 'commit') continue;
      await breakable.restore();
      const { database } = breakable;
      const earlier = await countRenewals();
      const fault =
        when === 'before' ? (transientFaults[at % transientFaults.length] ?? 'disk') : 'connection';
      const broken = { n: at + 1, when, fault };
      const run = () => runAutoRenewal(database, { batchMax: 2 });
      const { wasBroken, statements: sent, result } = await breakable.run(run, broken);
      const where = `${when} statement ${at + 1} by ${fault}: ${sent[at] ?? text}`;
      const done = (await countRenewals()) - earlier;
      // The order of statements on two connections differs between runs, and so may their number.
      if (!wasBroken) expect(sent.length, where).toBeLessThanOrEqual(at);
      if (result.status === 'fulfilled') {
        const outcome = wasBroken ? 'failed' : 'success';
        expect(result.value, where).toMatchObject({ outcome, changed: done });
      }
      expect(await findViolations(database.db), where).toEqual([]);
      expect(await runAutoRenewal(database), where).toMatchObject({ outcome: 'success' });
      expect(await readDatabaseSnapshot(database.db), where).toEqual(after);
    }
  },
  600_000,
);

test.each([
  ['alone', 2],
  ['beside another run of the worker', 1],
] as const)('a run %s has at most %i open batches', async (beside, most) => {
  const open = new Set<unknown>();
  let seen = 0;
  // A COMMIT waits until a second batch has its locks, if there is one.
  const second = Promise.withResolvers<void>();
  const hook: StatementHook = async ({ sql: text, when, client }) => {
    if (when === 'after' && text.includes('SKIP LOCKED')) {
      open.add(client);
      seen = Math.max(seen, open.size);
      if (open.size === 2) second.resolve();
    }
    if (when !== 'before' || text !== 'commit' || !open.has(client)) return;
    if (most === 2) await second.promise;
    open.delete(client);
  };
  await using database = await createShopDatabase({
    now: start,
    wrapPool: (pool) => hookPool(pool, hook),
  });
  await createSubscribers(database, { count: 4, endsAt: dueAt, balanceMinor: 149_00n });
  await database.setClock(dueAt);
  const other = openReplica(database.url);
  if (beside !== 'alone')
    await startRun(database.db, 1_000n as RunId, 'auto-renewal', other, parseTime(dueAt));
  const row = await runAutoRenewal(database, { batchMax: 1 });
  await other.close();
  expect(row).toMatchObject({ outcome: 'success', changed: 4n });
  expect(seen).toBe(most);
});
