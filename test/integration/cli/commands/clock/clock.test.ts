import { expect, test } from 'vitest';
import { buildClockCommand } from '../../../../../src/cli/commands/clock/clock.ts';
import { changePlan } from '../../../../../src/subscription/commands/change-plan.ts';
import { grant } from '../../../../../src/subscription/commands/grant.ts';
import { refund } from '../../../../../src/subscription/commands/refund.ts';
import { startTrial } from '../../../../../src/subscription/commands/trial.ts';
import { runCommand } from '../../../../support/command-line.ts';
import type { TestDatabase } from '../../../../support/database.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  runWorkerAt,
} from '../../../../support/shop.ts';

// `perennial clock report|undo`, in this process: sales at a wrong time.

const clock = async (database: TestDatabase, line: string) =>
  (await runCommand(buildClockCommand, database, line.split(' '))).out;

const wrong = '2027-06-01T00:00:00.000Z';

/** Sales before a jump, during the jump, and after the correction of the clock. */
async function createWrongTimeSales(): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  await createSubscriber(database, 1n, 500_00n);
  await createSubscriber(database, 2n, 500_00n);
  for (const one of [3n, 4n]) await addCustomer(database, one);
  await database.setClock(wrong);
  await buyPlan(database, 1n);
  await grant(createCaller(database), { telegramId: 2n, days: 5 });
  await startTrial(createCaller(database), { telegramId: 3n });
  await runWorkerAt(database, '2026-11-01T00:02:00Z', 'raise-alarms');
  await startTrial(createCaller(database), { telegramId: 4n });
  await grant(createCaller(database), { telegramId: 4n, days: 2 });
  return database;
}

test('K10: sales at a wrong time are listed with customer, subscription, time and amount', async () => {
  await using database = await createWrongTimeSales();
  const { sales } = JSON.parse(await clock(database, 'report --json'));
  const sale = (telegram_id: number, kind: string, ends_at: string, amount: string) => ({
    ...{ telegram_id, kind, plan: 'basic', amount, currency: 'RUB' },
    ...{ subscription_id: telegram_id, period_id: expect.any(Number) },
    ...{ starts_at: wrong, ends_at, sold_at: wrong },
  });
  expect(sales).toEqual([
    sale(1, 'purchase', '2027-07-01T00:00:00.000Z', '149.00'),
    sale(2, 'grant', '2027-06-06T00:00:00.000Z', '0.00'),
    sale(3, 'trial', '2027-06-04T00:00:00.000Z', '0.00'),
  ]);
  const text = await clock(database, 'report');
  expect(text).toContain('purchase for 149.00 RUB');
  expect(text).toContain('early charges: 0, early ends: 0, sales at a wrong time: 3');
});

test('K10: a reversal leaves sales at a wrong time, and names each with its command', async () => {
  await using database = await createWrongTimeSales();
  const before = await clock(database, 'report --json');
  const text = await clock(database, 'undo --yes');
  expect(text).toMatch(/refunded periods: 0, restored subscriptions: 0, customers: 0\n/);
  const { sales } = JSON.parse(before);
  const [{ period_id: bought }, { period_id: granted }] = sales;
  expect(text).toContain(
    `not undone: customer 1, subscription 1, the purchase for 149.00 RUB; "perennial customer refund 1 --period ${bought}" refunds it`,
  );
  expect(text).toContain(`"perennial customer refund 2 --period ${granted}" takes it back`);
  expect(text).toContain('not undone: customer 3, subscription 3, the trial');
  expect(await clock(database, 'report --json')).toBe(before);
  const left = JSON.parse(await clock(database, 'undo --yes --json'));
  expect(left.sales).toEqual(sales);
});

test('K10: a refunded sale at a wrong time is not listed, and a change of plan is a sale', async () => {
  await using database = await createWrongTimeSales();
  const { sales } = JSON.parse(await clock(database, 'report --json'));
  for (const { telegram_id, period_id } of sales.slice(0, 2)) {
    const request = { telegramId: BigInt(telegram_id), periodId: BigInt(period_id) as never };
    await refund(createCaller(database), { ...request, part: 'whole' });
  }
  expect(JSON.parse(await clock(database, 'report --json')).sales).toEqual(sales.slice(2));
  await addBalance(database, 1n, 1_000_00n);
  await database.setClock('2026-11-20T00:00:00Z');
  await changePlan(createCaller(database), {
    telegramId: 2n,
    plan: 'plus',
    periodDays: 30,
    when: 'now',
  });
  await database.setClock('2026-11-01T00:03:00Z');
  const after = JSON.parse(await clock(database, 'report --json')).sales;
  expect(after[0]).toMatchObject({ telegram_id: 2, kind: 'purchase', plan: 'plus' });
});
