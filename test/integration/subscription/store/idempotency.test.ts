import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { adjustBalance } from '../../../../src/subscription/commands/adjust.ts';
import { deleteOldKeys } from '../../../../src/subscription/store/idempotency.ts';
import {
  type BreakableDatabase,
  createBreakableDatabase,
} from '../../../support/broken-statement.ts';
import {
  commands,
  createCommandCustomers,
  customerCreatedAt,
} from '../../../support/customer-commands.ts';
import { createDatabase } from '../../../support/database.ts';
import { findViolations, readDatabaseSnapshot } from '../../../support/database-snapshot.ts';
import { expectFault } from '../../../support/faults.ts';
import { hookPool } from '../../../support/hooked-pool.ts';
import { createCaller, parseTime } from '../../../support/shop.ts';

let breakableDatabase: BreakableDatabase;

beforeAll(async () => {
  breakableDatabase = await createBreakableDatabase(createCommandCustomers, customerCreatedAt);
});

afterAll(() => breakableDatabase[Symbol.asyncDispose]());

test.each(Object.entries(commands))(
  'R16: 8 concurrent requests of %s with one key have one effect and one answer, byte for byte',
  async (_, command) => {
    const { database } = breakableDatabase;
    await breakableDatabase.restore();
    await command(createCaller(database), false);
    const once = await readDatabaseSnapshot(database.db);

    await breakableDatabase.restore();
    const calls = Array.from({ length: 8 }, () => command(createCaller(database, 'key-1'), false));
    const [first, ...others] = (await Promise.all(calls)).map((answer) => JSON.stringify(answer));
    expect(others).toEqual(others.map(() => first));
    expect(await readDatabaseSnapshot(database.db)).toEqual(once);

    await database.setClock('2026-11-12T00:00:00Z');
    expect(JSON.stringify(await command(createCaller(database, 'key-1'), false))).toBe(first);
    const reusedKey = command(createCaller(database, 'key-1'), true);
    await expect(reusedKey).rejects.toMatchObject({ kind: 'permanent', code: 'key_reused' });
    expect(await readDatabaseSnapshot(database.db)).toEqual(once);
    expect(await findViolations(database.db)).toEqual([]);
  },
);

test('R16: a key of one command does not count for another command', async () => {
  const { database } = breakableDatabase;
  await breakableDatabase.restore();
  const { grant: gives, adjust: corrects } = commands;
  await gives?.(createCaller(database, 'key-1'), false);
  await corrects?.(createCaller(database, 'key-1'), false);
  const { customers } = await readDatabaseSnapshot(database.db);
  expect(customers[0]?.events.slice(-2)).toEqual(['granted', 'adjusted']);
});

test('R16: a refused command uses up no key', async () => {
  const { database } = breakableDatabase;
  await breakableDatabase.restore();
  const corrects = (amountMinor: bigint) =>
    adjustBalance(createCaller(database), { telegramId: 1n, amountMinor, reason: 'test' });
  await corrects(-500_00n);
  const buys = async () => commands.purchase?.(createCaller(database, 'key-1'), false);
  await expectFault(buys(), 'short_balance');
  await corrects(149_00n);
  expect(await buys()).toMatchObject({ action: 'extended' });
});

test('R16: a payment of a provider is credited once, also with different keys', async () => {
  const { database } = breakableDatabase;
  await breakableDatabase.restore();
  const calls = Array.from({ length: 8 }, (_, n) =>
    commands['top-up']?.(createCaller(database, `k${n}`), false),
  );
  const settled = await Promise.allSettled(calls);
  const refusals = settled.filter((one) => one.status === 'rejected');
  expect(refusals.map(({ reason }) => reason.code)).toEqual(refusals.map(() => 'payment_known'));
  expect(refusals).toHaveLength(7);
  expect((await readDatabaseSnapshot(database.db)).customers[0]?.balance).toBe(501_00);
});

test('R16: a key returns its first answer for 30 days, and is then deleted, the oldest first', async () => {
  const { database } = breakableDatabase;
  await breakableDatabase.restore();
  for (const [key, now] of [
    ['key-1', '2026-11-12T00:00:00Z'],
    ['key-2', '2026-11-13T00:00:00Z'],
    ['key-3', '2026-11-14T00:00:00Z'],
  ] as const) {
    await database.setClock(now);
    await commands.adjust?.(createCaller(database, key), false);
  }
  expect(await deleteOldKeys(database.db, parseTime('2026-12-12T00:00:00Z'))).toBe(0);
  expect(await deleteOldKeys(database.db, parseTime('2027-02-01T00:00:00Z'), 1)).toBe(1);
  const left = await sql`SELECT key FROM perennial.idempotency ORDER BY key`.execute(database.db);
  expect(left.rows).toEqual([{ key: 'key-2' }, { key: 'key-3' }]);
  expect(await deleteOldKeys(database.db, parseTime('2027-02-01T00:00:00Z'))).toBe(2);
});

test('R16: a key that is deleted during a repeated request counts as new', async () => {
  let reusedKey = 0;
  const hook = async ({ sql: text, when }: { sql: string; when: string }) => {
    if (when !== 'after' || !text.includes('INSERT INTO perennial.idempotency')) return;
    reusedKey += 1;
    if (reusedKey === 2) await deleteOldKeys(database.db, parseTime('2027-02-01T00:00:00Z'));
  };
  await using database = await createDatabase({
    now: customerCreatedAt,
    wrapPool: (pool) => hookPool(pool, hook),
  });
  await createCommandCustomers(database);
  const once = await commands.adjust?.(createCaller(database, 'key-1'), false);
  const twice = await commands.adjust?.(createCaller(database, 'key-1'), false);
  expect([once?.balance, twice?.balance]).toEqual(['499.00', '498.00']);
  expect(reusedKey).toBe(3);
});
