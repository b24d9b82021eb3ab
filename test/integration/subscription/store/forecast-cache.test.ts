import { expect, test } from 'vitest';
import { inTransaction } from '../../../../src/db/connect.ts';
import type { CustomerId, SubscriptionId } from '../../../../src/kernel/ids.ts';
import { type Instant, later, parseInstant, secondMs } from '../../../../src/kernel/instant.ts';
import { defaultSettings } from '../../../../src/subscription/rules/settings.ts';
import { ForecastCache } from '../../../../src/subscription/store/forecast-cache.ts';
import { readForecasts } from '../../../../src/subscription/store/forecast-facts.ts';
import { recordStatements } from '../../../../testbed/explain.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { addBalance, createReseller, firstSubscriber } from '../../../support/shop.ts';

const now = parseInstant('2026-11-01T12:30:00Z', 'the test');
const customer = 1n as CustomerId;
const manySubscriptions = 501;

const createDatabaseWithReseller = (count: number) =>
  createReseller(now, count, '2026-11-03T12:00:00Z');

/**
 * The forecast of a subscription with a cache and without one, and whether all subscriptions were
 * read.
 */
async function readForecast(
  database: TestDatabase,
  cache: ForecastCache,
  id: number,
  at: Instant = now,
  settings = defaultSettings,
) {
  const { db, statements } = recordStatements(database.pool);
  const subscription = BigInt(id) as SubscriptionId;
  const cached = await inTransaction(db, (tx) =>
    cache.read(tx, customer, subscription, at, settings),
  );
  const isWhole = statements.some(
    ({ sql: text }) => /ORDER BY c\.id/.test(text) && !/own\.id = ANY/.test(text),
  );
  const all = await inTransaction(db, (tx) => readForecasts(tx, [customer], at, settings));
  expect(cached).toEqual(all.get(subscription));
  return isWhole;
}

test('the forecast of a customer with many subscriptions is read once, and again after a change of its inputs', async () => {
  await using database = await createDatabaseWithReseller(manySubscriptions);
  const cache = new ForecastCache();
  expect(await readForecast(database, cache, 1)).toBe(true);
  for (const id of [1, 2, 300, manySubscriptions])
    expect(await readForecast(database, cache, id)).toBe(false);

  await addBalance(database, firstSubscriber, 200_00n);
  expect(await readForecast(database, cache, 2)).toBe(true);
  expect(await readForecast(database, cache, 1)).toBe(false);

  await database.query`UPDATE perennial.subscription SET auto_renew = false WHERE id = 3`;
  expect(await readForecast(database, cache, 3)).toBe(true);
  expect(await readForecast(database, cache, 4)).toBe(false);

  await database.query`UPDATE perennial.plan_price SET amount_minor = 15000`;
  expect(await readForecast(database, cache, 4)).toBe(true);

  const settings = { ...defaultSettings, windowMs: 2 * defaultSettings.windowMs };
  expect(await readForecast(database, cache, 4, now, settings)).toBe(true);
  expect(await readForecast(database, cache, 4, later(now, 15 * secondMs - 1), settings)).toBe(
    false,
  );
  expect(await readForecast(database, cache, 4, later(now, 15 * secondMs), settings)).toBe(true);
  expect(await readForecast(database, cache, 4, now, settings)).toBe(true);
});

test('the forecast of a customer with few subscriptions is read each time', async () => {
  await using database = await createDatabaseWithReseller(manySubscriptions - 1);
  const cache = new ForecastCache();
  for (const id of [1, 1, 2]) expect(await readForecast(database, cache, id)).toBe(true);
});
