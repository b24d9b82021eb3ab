import { expect, test } from 'vitest';
import type { PeriodId } from '../../../src/kernel/ids.ts';
import { readReport } from '../../../src/reports/report.ts';
import { type CurrencyReportJson, toReportJson } from '../../../src/reports/report-json.ts';
import { adjustBalance } from '../../../src/subscription/commands/adjust.ts';
import { blockCustomer } from '../../../src/subscription/commands/block.ts';
import { changePlan } from '../../../src/subscription/commands/change-plan.ts';
import { applyChargeback } from '../../../src/subscription/commands/chargeback.ts';
import { grant } from '../../../src/subscription/commands/grant.ts';
import { movePayment } from '../../../src/subscription/commands/move-payment.ts';
import { refund } from '../../../src/subscription/commands/refund.ts';
import { topUp } from '../../../src/subscription/commands/top-up.ts';
import { startTrial } from '../../../src/subscription/commands/trial.ts';
import type { TestDatabase } from '../../support/database.ts';
import { expectFault } from '../../support/faults.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  runWorker,
  runWorkerAt,
  setPrice,
} from '../../support/shop.ts';

// The figures of a report, with amounts that a person can check.

async function createReportShop(now: string): Promise<TestDatabase> {
  const database = await createShopDatabase({ now });
  await setPrice(database, 'basic', 30, 3_00n, 'USD');
  return database;
}

async function readFigures(
  { db }: TestDatabase,
  month: string,
  currency = 'RUB',
): Promise<CurrencyReportJson> {
  const { currencies } = toReportJson(await readReport(db, month));
  return currencies.find((one) => one.currency === currency) as CurrencyReportJson;
}

async function readLastPeriod({ pool }: TestDatabase): Promise<PeriodId> {
  const { rows } = await pool.query('SELECT max(id) AS id FROM perennial.period');
  return BigInt(rows[0].id) as PeriodId;
}

test('a period of 30 days is earned day by day, and its months add up to the charge', async () => {
  // 149.00 from 21 January 00:00: 11 days in January, 19 in February.
  await using database = await createReportShop('2026-01-21T00:00:00Z');
  await createSubscriber(database, 7n, 10_00n);
  await database.setClock('2026-04-01T00:00:00Z');
  const january = await readFigures(database, '2026-01');
  // 149.00 × 19 / 30 = 94.366…, rounded down.
  expect(january).toMatchObject({
    collected: { count: 1, amount: '159.00' },
    charged: { amount: '149.00', purchases: { count: 1 }, renewals: { count: 0 } },
    earned: '54.64',
    owed: { balances: '10.00', unused_time: '94.36', periods: 1 },
    mrr: { start: '0.00', new: '149.00', end: '149.00' },
  });
  expect(await readFigures(database, '2026-02')).toMatchObject({
    collected: { amount: '0.00' },
    charged: { amount: '0.00' },
    earned: '94.36',
    owed: { balances: '10.00', unused_time: '0.00', periods: 0 },
    mrr: { start: '149.00', churned: '-149.00', end: '0.00' },
    churn: { customers: 1, money: 1 },
    renewals: { ended: 1, continued: 0, rate: 0 },
  });
});

test('grants, imports and adjustments are no income', async () => {
  await using database = await createReportShop('2026-01-10T00:00:00Z');
  await addCustomer(database, 7n);
  const caller = createCaller(database);
  await grant(caller, { telegramId: 7n, days: 9, newPlan: 'basic' });
  await adjustBalance(caller, { telegramId: 7n, amountMinor: 50_00n, reason: 'gift' });
  await database.setClock('2026-02-01T00:00:00Z');
  expect(await readFigures(database, '2026-01')).toMatchObject({
    collected: { count: 0, amount: '0.00', providers: [] },
    charged: { count: 0, amount: '0.00' },
    earned: '0.00',
    owed: { balances: '50.00', unused_time: '0.00' },
    balances: { start: '0.00', adjustments: '50.00', end: '50.00' },
    mrr: { end: '0.00' },
    cohorts: [],
  });
});

test('a payment is collected once by its provider, also after it moved or was charged back', async () => {
  await using database = await createReportShop('2026-01-10T00:00:00Z');
  const caller = createCaller(database);
  for (const id of [7n, 8n]) await addCustomer(database, id);
  const payment = { provider: 'YooKassa', providerRef: 'r-1' };
  await topUp(caller, { telegramId: 7n, amountMinor: 300_00n, ...payment });
  await topUp(caller, {
    telegramId: 8n,
    amountMinor: 20_00n,
    provider: 'yookassa',
    providerRef: 'r-2',
  });
  await topUp(caller, { telegramId: 8n, amountMinor: 5_00n });
  await movePayment(caller, { from: 7n, to: 8n, ...payment });
  await buyPlan(database, 8n);
  await buyPlan(database, 8n, { isNew: true });
  await database.setClock('2026-02-10T00:00:00Z');
  await applyChargeback(caller, { telegramId: 8n, ...payment, dispute: 'd-1' });
  await database.setClock('2026-03-01T00:00:00Z');
  const january = await readFigures(database, '2026-01');
  expect(january.collected).toEqual({
    count: 3,
    amount: '325.00',
    providers: [
      { provider: 'YooKassa', count: 2, amount: '320.00' },
      { provider: null, count: 1, amount: '5.00' },
    ],
    charged_back: { count: 0, amount: '0.00' },
  });
  expect(january.balances).toMatchObject({ moved: '300.00', adjustments: '-300.00', end: '27.00' });
  const february = await readFigures(database, '2026-02');
  // The balance of 27.00 covers a part. The rest is a claim.
  expect(february.collected.charged_back).toEqual({ count: 1, amount: '300.00' });
  expect(february.balances).toMatchObject({ chargebacks: '-27.00', end: '0.00' });
  expect(february.owed.claims).toBe('273.00');
});

test('a whole refund takes the earned days back in its own month', async () => {
  await using database = await createReportShop('2026-01-17T00:00:00Z');
  await createSubscriber(database, 7n, 0n);
  await database.setClock('2026-02-03T00:00:00Z');
  const periodId = await readLastPeriod(database);
  await refund(createCaller(database), { telegramId: 7n, periodId, part: 'whole', payout: true });
  await database.setClock('2026-03-01T00:00:00Z');
  // 15 of 30 days.
  expect((await readFigures(database, '2026-01')).earned).toBe('74.50');
  expect(await readFigures(database, '2026-02')).toMatchObject({
    earned: '-74.50',
    refunded: { count: 1, amount: '149.00' },
    paid_out: { count: 1, amount: '149.00' },
    owed: { balances: '0.00', unused_time: '0.00' },
    time: { start: '74.50', charged: '0.00', earned: '74.50', refunded: '-149.00', end: '0.00' },
  });
});

test('a change to a more expensive plan is expansion, and a return after a month is revived MRR', async () => {
  await using database = await createReportShop('2026-01-25T00:00:00Z');
  await createSubscriber(database, 7n, 1_000_00n);
  await createSubscriber(database, 8n, 0n);
  await database.setClock('2026-02-02T00:00:00Z');
  const caller = createCaller(database);
  await changePlan(caller, { telegramId: 7n, plan: 'plus', periodDays: 30, when: 'now' });
  await runWorkerAt(database, '2026-03-03T00:00:00Z', 'auto-renewal');
  await runWorker(database, 'fast-expiry-cleanup');
  await database.setClock('2026-04-15T00:00:00Z');
  await addBalance(database, 8n, 149_00n);
  await buyPlan(database, 8n);
  await database.setClock('2026-05-01T00:00:00Z');
  expect((await readFigures(database, '2026-02')).mrr).toEqual({
    start: '298.00',
    new: '0.00',
    revived: '0.00',
    expansion: '150.00',
    contraction: '0.00',
    churned: '-149.00',
    end: '299.00',
  });
  const april = await readFigures(database, '2026-04');
  expect(april.mrr).toMatchObject({ revived: '149.00' });
  expect(april.cohorts).toEqual([
    { month: '2026-01', customers: 2, paying: 1, charged: '149.00', mrr: '149.00' },
  ]);
});

test('trials, renewals and subscriptions that lacked money are counted in the month of their end', async () => {
  await using database = await createReportShop('2026-01-05T00:00:00Z');
  const caller = createCaller(database);
  for (const id of [7n, 8n]) {
    await addCustomer(database, id);
    await startTrial(caller, { telegramId: id });
  }
  await database.setClock('2026-01-07T00:00:00Z');
  await addBalance(database, 7n, 149_00n);
  await buyPlan(database, 7n);
  await createSubscriber(database, 9n, 200_00n);
  await runWorkerAt(database, '2026-02-10T00:00:00Z', 'auto-renewal');
  await runWorker(database, 'fast-expiry-cleanup');
  await database.setClock('2026-03-01T00:00:00Z');
  expect((await readFigures(database, '2026-01')).trials).toEqual({ ended: 2, paid: 1, rate: 0.5 });
  expect(await readFigures(database, '2026-02')).toMatchObject({
    renewals: { ended: 2, continued: 1, rate: 0.5 },
    lost_because_short: { subscriptions: 1, mrr: '149.00' },
    charged: { renewals: { count: 1, amount: '149.00' } },
  });
});

test('the end of a blocked customer with money is not lost because of a short balance', async () => {
  await using database = await createReportShop('2026-01-10T00:00:00Z');
  await createSubscriber(database, 7n, 200_00n);
  await blockCustomer(createCaller(database), { telegramId: 7n, reason: 'abuse' });
  await runWorkerAt(database, '2026-02-10T00:00:00Z', 'fast-expiry-cleanup');
  await database.setClock('2026-03-01T00:00:00Z');
  expect(await readFigures(database, '2026-02')).toMatchObject({
    renewals: { ended: 1, continued: 0 },
    lost_because_short: { subscriptions: 0, mrr: '0.00' },
  });
});

test('each currency has its own figures', async () => {
  await using database = await createReportShop('2026-01-10T00:00:00Z');
  await createSubscriber(database, 7n, 0n);
  await addCustomer(database, 8n, { currency: 'USD', balanceMinor: 3_00n });
  await buyPlan(database, 8n);
  await database.setClock('2026-02-01T00:00:00Z');
  expect((await readFigures(database, '2026-01')).charged.amount).toBe('149.00');
  expect((await readFigures(database, '2026-01', 'USD')).charged.amount).toBe('3.00');
});

test('the present month ends now, and a later month is refused', async () => {
  await using database = await createReportShop('2026-01-10T00:00:00Z');
  await createSubscriber(database, 7n, 0n);
  const { month, currencies } = await readReport(database.db, '2026-01');
  expect(month.isComplete).toBe(false);
  expect(currencies[0]?.lines.purchases).toEqual({ count: 1n, amount: -149_00n });
  await expectFault(readReport(database.db, '2026-02'), 'future_month');
});

test('amounts beyond the arithmetic of bigint are divided exactly', async () => {
  await using database = await createReportShop('2026-01-21T00:00:00Z');
  const huge = 90_000_000_000_000_001n;
  await setPrice(database, 'plus', 90, huge, 'RUB');
  await addCustomer(database, 7n);
  await topUp(createCaller(database), { telegramId: 7n, amountMinor: huge, isConfirmed: true });
  await buyPlan(database, 7n, { plan: 'plus', periodDays: 90 });
  await database.setClock('2026-02-01T00:00:00Z');
  const { currencies } = await readReport(database.db, '2026-01');
  expect(currencies[0]?.periods).toMatchObject({
    unusedEnd: (huge * 79n) / 90n,
    mrrEnd: huge / 3n,
  });
});
