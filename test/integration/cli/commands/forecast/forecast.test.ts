import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { buildForecastCommand } from '../../../../../src/cli/commands/forecast/forecast.ts';
import { setAutoRenew } from '../../../../../src/subscription/commands/auto-renew.ts';
import type { TestDatabase } from '../../../../support/database.ts';
import {
  addCustomer,
  createCaller,
  createShopDatabase,
  createSubscriber,
} from '../../../../support/shop.ts';

async function runForecast(database: TestDatabase, ...options: string[]): Promise<string> {
  let out = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  const installation = { id: '', test: true, madeBy: 'migrate' };
  const command = buildForecastCommand(async (config) => ({
    ...{ config, db: database.db, url: database.url, installation },
    close: async () => undefined,
  }));
  await command
    .exitOverride()
    .parseAsync(options, { from: 'user' })
    .finally(() => vi.restoreAllMocks());
  return out;
}

/** Customers of `basic`: one renews twice in 61 days, one is short, one switched renewal off. */
async function createThreeCustomers(): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  await createSubscriber(database, 1n, 300_00n);
  await createSubscriber(database, 2n, 100_00n);
  await createSubscriber(database, 3n, 300_00n);
  await setAutoRenew(createCaller(database), { telegramId: 3n, on: false });
  await addCustomer(database, 4n);
  return database;
}

function writePrices(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'forecast-prices-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'prices.yaml');
  writeFileSync(file, text);
  return file;
}

test('the forecast lists each renewal, short balance and end, and the totals', async () => {
  await using database = await createThreeCustomers();
  const json = JSON.parse(
    await runForecast(database, '--days', '61', '--by', 'customer', '--json'),
  );
  const toRow = (
    telegram_id: number,
    outcome: string,
    starts_at: string,
    amount: string | null,
  ) => ({
    telegram_id,
    subscription_id: telegram_id,
    outcome,
    starts_at,
    amount,
    currency: 'RUB',
  });
  expect(json).toEqual({
    from: '2026-11-01T00:00:00.000Z',
    days: 61,
    totals: [{ currency: 'RUB', renewals: 2, amount: '298.00', short: 1, ending: 1 }],
    rows: [
      toRow(1, 'renewed', '2026-12-01T00:00:00.000Z', '149.00'),
      toRow(1, 'renewed', '2026-12-31T00:00:00.000Z', '149.00'),
      toRow(2, 'short', '2026-12-01T00:00:00.000Z', '149.00'),
      toRow(3, 'ends', '2026-12-01T00:00:00.000Z', null),
    ],
  });
  const text = await runForecast(database, '--days', '61', '--by', 'customer');
  expect(text).toMatch(
    /^CUSTOMER +SUBSCRIPTION +OUTCOME +START +AMOUNT\n1 +1 +renewed +2026-12-01/,
  );
});

test('the forecast groups by day and by plan, as JSON and as text', async () => {
  await using database = await createThreeCustomers();
  const byDay = JSON.parse(await runForecast(database, '--by', 'day', '--json'));
  expect(byDay).toMatchObject({
    days: 30,
    totals: [{ renewals: 1, short: 0, ending: 0 }],
    groups: [{ day: '2026-11-30', currency: 'RUB', renewals: 1, amount: '149.00' }],
  });
  expect(byDay).not.toHaveProperty('rows');
  const text = await runForecast(database, '--days', '31', '--by', 'plan');
  expect(text).toContain('forecast from 2026-11-01T00:00:00.000Z to 2026-12-02T00:00:00.000Z');
  expect(text).toMatch(
    /RENEWALS +AMOUNT +SHORT BALANCES +ENDS\nbasic +1 +149\.00 RUB +1 +1\ntotal +1 +149\.00 RUB +1 +1/,
  );
  expect(await runForecast(database, '--days', '1')).toContain('nothing is due in this time');
});

test('with other prices a raise counts as soon as customers are notified in time', async () => {
  await using database = await createThreeCustomers();
  const file = writePrices('plans: { basic: { prices: { RUB: { 30: 200 } } } }');
  const { rows } = JSON.parse(
    await runForecast(database, '--days', '31', '--by', 'customer', '--prices', file, '--json'),
  );
  expect(rows[0]).toMatchObject({ outcome: 'renewed', amount: '200.00' });
  const { rows: stored } = await database.pool.query('SELECT FROM perennial.plan_price');
  expect(stored).toHaveLength(4);
});

test.each([
  [
    'plans: { gold: { prices: { RUB: { 30: 200 } } } }',
    'plans.gold: "gold" is not a plan; available: basic, mini, plus',
  ],
  [
    'plans: { basic: { price: 3 } }',
    'plans.basic.prices: is missing; expected a mapping (key: value)',
  ],
  ['plans: { basic: { prices: { RUB: { 30: free } } } }', '"free" is not an amount'],
  ['prices: 3', 'plans: is missing'],
])('the price file %j is refused', async (text, sentence) => {
  await using database = await createThreeCustomers();
  const file = writePrices(text);
  await expect(runForecast(database, '--prices', file)).rejects.toThrow(sentence);
});

test('a price file that does not exist is refused', async () => {
  await using database = await createThreeCustomers();
  await expect(runForecast(database, '--prices', '/none.yaml')).rejects.toThrow(
    "/none.yaml: can't be read (ENOENT)",
  );
});
