import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { listening } from '../../bench/explain.ts';
import { type Books, freshBooks } from '../../test/books.ts';
import { openReseller } from '../../test/reseller.ts';
import { inTransaction } from '../db/connect.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { type Instant, later, parseInstant, secondMs } from '../kernel/instant.ts';
import { topUp } from './balance.ts';
import { OutlookCache } from './outlook-cache.ts';
import { readOutlooks } from './outlook-facts.ts';
import { defaultSettings } from './settings.ts';

const now = parseInstant('2026-11-01T12:30:00Z', 'the test');
const customer = 1n as CustomerId;
const many = 501;

async function reseller(count: number) {
  const books = await freshBooks({ now });
  await openReseller(books, count, '2026-11-03T12:00:00Z');
  return books;
}

/** The outlook of a subscription by a cache and without one, and whether the whole family was read. */
async function ask(
  books: Books,
  cache: OutlookCache,
  id: number,
  at: Instant = now,
  settings = defaultSettings,
) {
  const { db, sent } = listening(books.pool);
  const subscription = BigInt(id) as SubscriptionId;
  const cached = await inTransaction(db, (tx) =>
    cache.read(tx, customer, subscription, at, settings),
  );
  const isWhole = sent.some(
    ({ sql: text }) => /ORDER BY c\.id/.test(text) && !/own\.id = ANY/.test(text),
  );
  const all = await inTransaction(db, (tx) => readOutlooks(tx, [customer], at, settings));
  expect(cached).toEqual(all.get(subscription));
  return isWhole;
}

test('the outlook of a customer with many subscriptions is read once, and again after what it depends on has changed', async () => {
  await using books = await reseller(many);
  const cache = new OutlookCache();
  expect(await ask(books, cache, 1)).toBe(true);
  for (const id of [1, 2, 300, many]) expect(await ask(books, cache, id)).toBe(false);

  await topUp({ db: books.db, actor: 'test' }, { telegramId: 1n, amountMinor: 200_00n });
  expect(await ask(books, cache, 2)).toBe(true);
  expect(await ask(books, cache, 1)).toBe(false);

  await sql`UPDATE perennial.subscription SET auto_renew = false WHERE id = 3`.execute(books.db);
  expect(await ask(books, cache, 3)).toBe(true);
  expect(await ask(books, cache, 4)).toBe(false);

  await sql`UPDATE perennial.plan_price SET amount_minor = 15000`.execute(books.db);
  expect(await ask(books, cache, 4)).toBe(true);

  const settings = { ...defaultSettings, windowMs: 2 * defaultSettings.windowMs };
  expect(await ask(books, cache, 4, now, settings)).toBe(true);
  expect(await ask(books, cache, 4, later(now, 15 * secondMs - 1), settings)).toBe(false);
  expect(await ask(books, cache, 4, later(now, 15 * secondMs), settings)).toBe(true);
  expect(await ask(books, cache, 4, now, settings)).toBe(true);
});

test('the outlook of a customer with few subscriptions is read each time', async () => {
  await using books = await reseller(many - 1);
  const cache = new OutlookCache();
  for (const id of [1, 1, 2]) expect(await ask(books, cache, id)).toBe(true);
});
