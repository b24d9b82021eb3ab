import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { adjust } from '../../src/subscription/balance.ts';
import { forgetOldKeys } from '../../src/subscription/old-keys.ts';
import { at, callOf, snapshotOfBooks, wrongsIn } from '../a-book.ts';
import { freshBooks } from '../books.ts';
import { hookPool } from '../hooked-pool.ts';
import { type Breakable, breakable } from './broken-statement.ts';
import { commands, customerBegins, fillOneCustomer } from './commands.ts';

let place: Breakable;

beforeAll(async () => {
  place = await breakable(fillOneCustomer, customerBegins);
});

afterAll(() => place[Symbol.asyncDispose]());

test.each(Object.entries(commands))(
  'R16: %s asked 8 times at once with one key has one effect and one answer, byte for byte',
  async (_, command) => {
    const { books } = place;
    await place.rewind();
    await command(callOf(books), false);
    const once = await snapshotOfBooks(books.db);

    await place.rewind();
    const calls = Array.from({ length: 8 }, () => command(callOf(books, 'key-1'), false));
    const [first, ...others] = (await Promise.all(calls)).map((answer) => JSON.stringify(answer));
    expect(others).toEqual(others.map(() => first));
    expect(await snapshotOfBooks(books.db)).toEqual(once);

    await books.setClock('2026-11-12T00:00:00Z');
    expect(JSON.stringify(await command(callOf(books, 'key-1'), false))).toBe(first);
    const asked = command(callOf(books, 'key-1'), true);
    await expect(asked).rejects.toMatchObject({ kind: 'permanent', code: 'key_reused' });
    expect(await snapshotOfBooks(books.db)).toEqual(once);
    expect(await wrongsIn(books.db)).toEqual([]);
  },
);

test('R16: a key of one command says nothing about another', async () => {
  const { books } = place;
  await place.rewind();
  const { grant: gives, adjust: corrects } = commands;
  await gives?.(callOf(books, 'key-1'), false);
  await corrects?.(callOf(books, 'key-1'), false);
  const { customers } = await snapshotOfBooks(books.db);
  expect(customers[0]?.events.slice(-2)).toEqual(['granted', 'adjusted']);
});

test('R16: a command that was refused has used up no key', async () => {
  const { books } = place;
  await place.rewind();
  const corrects = (amountMinor: bigint) =>
    adjust(callOf(books), { telegramId: 1n, amountMinor, reason: 'test' });
  await corrects(-500_00n);
  const buys = async () => commands.purchase?.(callOf(books, 'key-1'), false);
  await expect(buys()).rejects.toMatchObject({ code: 'short_balance' });
  await corrects(149_00n);
  expect(await buys()).toMatchObject({ action: 'extended' });
});

test('R16: one payment of a provider is credited once, whatever the keys', async () => {
  const { books } = place;
  await place.rewind();
  const calls = Array.from({ length: 8 }, (_, n) =>
    commands['top-up']?.(callOf(books, `k${n}`), false),
  );
  const settled = await Promise.allSettled(calls);
  const refusals = settled.filter((one) => one.status === 'rejected');
  expect(refusals.map(({ reason }) => reason.code)).toEqual(refusals.map(() => 'payment_known'));
  expect(refusals).toHaveLength(7);
  expect((await snapshotOfBooks(books.db)).customers[0]?.balance).toBe(501_00);
});

test('R16: a key gives its first answer for 30 days, and is forgotten then, the oldest first', async () => {
  const { books } = place;
  await place.rewind();
  for (const [key, now] of [
    ['key-1', '2026-11-12T00:00:00Z'],
    ['key-2', '2026-11-13T00:00:00Z'],
    ['key-3', '2026-11-14T00:00:00Z'],
  ] as const) {
    await books.setClock(now);
    await commands.adjust?.(callOf(books, key), false);
  }
  expect(await forgetOldKeys(books.db, at('2026-12-12T00:00:00Z'))).toBe(0);
  expect(await forgetOldKeys(books.db, at('2027-02-01T00:00:00Z'), 1)).toBe(1);
  const left = await sql`SELECT key FROM perennial.idempotency ORDER BY key`.execute(books.db);
  expect(left.rows).toEqual([{ key: 'key-2' }, { key: 'key-3' }]);
  expect(await forgetOldKeys(books.db, at('2027-02-01T00:00:00Z'))).toBe(2);
});

test('R16: a key that is forgotten at the moment at which it is asked again is a new one', async () => {
  let asked = 0;
  const hook = async ({ sql: text, when }: { sql: string; when: string }) => {
    if (when !== 'after' || !text.includes('INSERT INTO perennial.idempotency')) return;
    asked += 1;
    if (asked === 2) await forgetOldKeys(books.db, at('2027-02-01T00:00:00Z'));
  };
  await using books = await freshBooks({
    now: customerBegins,
    wrapPool: (pool) => hookPool(pool, hook),
  });
  await fillOneCustomer(books);
  const once = await commands.adjust?.(callOf(books, 'key-1'), false);
  const twice = await commands.adjust?.(callOf(books, 'key-1'), false);
  expect([once?.balance, twice?.balance]).toEqual(['499.00', '498.00']);
  expect(asked).toBe(3);
});
