import { expect, test } from 'vitest';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { readCustomerView } from '../../../../src/subscription/queries/customer-view.ts';
import type { TestDatabase } from '../../../support/database.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  runAutoRenewal,
  runWorkerAt,
} from '../../../support/shop.ts';

// The next charge of a customer, and what auto-renewal then does.

const start = '2026-11-01T00:00:00Z';
const windowStart = '2026-11-30T18:00:00.000Z';
const end = '2026-12-01T00:00:00.000Z';

async function openShop(): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: start });
  return database;
}

const readNextCharge = async ({ db }: TestDatabase) =>
  (await readCustomerView(db, 1n, 0)).next_charge;

test('a customer without a subscription has no next charge', async () => {
  await using database = await openShop();
  await addCustomer(database, 1n);
  expect(await readNextCharge(database)).toEqual({
    subscription_id: null,
    at: null,
    amount: null,
    missing: '0.00',
    currency: 'RUB',
    reason: { code: 'no_subscription', params: {}, sentence: 'the customer has no subscription' },
  });
});

test('the next charge takes place at its time, with its amount', async () => {
  await using database = await openShop();
  await createSubscriber(database, 1n, 149_00n);
  expect(await readNextCharge(database)).toMatchObject({
    at: windowStart,
    amount: '149.00',
    missing: '0.00',
    reason: { code: 'covered', params: { ends_at: end, due_at: windowStart } },
  });
  expect((await runWorkerAt(database, '2026-11-30T17:59:59.999Z', 'auto-renewal')).changed).toBe(
    0n,
  );
  await database.setClock(windowStart);
  expect((await readNextCharge(database)).reason.code).toBe('due');
  expect((await runAutoRenewal(database)).changed).toBe(1n);
  const { customer, next_charge } = await readCustomerView(database.db, 1n, 0);
  expect(customer.balance).toBe('0.00');
  expect(next_charge).toMatchObject({ missing: '149.00', reason: { code: 'short' } });
});

test('the missing amount is exactly what renews a short subscription', async () => {
  await using database = await openShop();
  await createSubscriber(database, 1n, 100_00n);
  expect(await readNextCharge(database)).toMatchObject({
    missing: '49.00',
    reason: { code: 'short', params: { missing: '49.00', others: '0.00', ends_at: end } },
  });
  await database.setClock(windowStart);
  await addBalance(database, 1n, 48_99n);
  expect((await runAutoRenewal(database)).changed).toBe(0n);
  expect((await readNextCharge(database)).missing).toBe('0.01');
  await addBalance(database, 1n, 1n);
  expect((await readNextCharge(database)).reason.code).toBe('due');
  expect((await runAutoRenewal(database)).changed).toBe(1n);
});

test('a missing price, then the quarantine, are the reason', async () => {
  await using database = await openShop();
  await createSubscriber(database, 1n, 149_00n);
  await database.query`DELETE FROM perennial.plan_price`;
  await database.setClock(windowStart);
  expect(await readNextCharge(database)).toMatchObject({
    amount: null,
    reason: { code: 'no_price', params: { plan: 'basic', period_days: 30, retry_at: null } },
  });
  await runAutoRenewal(database);
  const retryAt = '2026-11-30T19:00:00.000Z';
  expect(await readNextCharge(database)).toMatchObject({
    at: retryAt,
    reason: { code: 'no_price', params: { retry_at: retryAt } },
  });
});

test('an ended subscription states the payment that revives it', async () => {
  await using database = await openShop();
  await createSubscriber(database, 1n, 100_00n);
  await runWorkerAt(database, '2026-12-02T00:00:00Z', 'fast-expiry-cleanup');
  expect(await readNextCharge(database)).toMatchObject({
    at: null,
    amount: '149.00',
    missing: '49.00',
    reason: { code: 'waits_for_payment', params: { until: '2026-12-08T00:00:00.000Z' } },
  });
  await addBalance(database, 1n, 49_00n);
  expect((await readNextCharge(database)).reason.code).toBe('revival_due');
  await runAutoRenewal(database);
  const { subscriptions } = await readCustomerView(database.db, 1n, 0);
  expect(subscriptions[0]?.state).toBe('active');
});

test('auto-renewal that is off is the reason, also after the end', async () => {
  await using database = await openShop();
  await createSubscriber(database, 1n, 149_00n);
  await setAutoRenew(createCaller(database), { telegramId: 1n, on: false });
  expect(await readNextCharge(database)).toMatchObject({
    at: null,
    reason: { code: 'auto_renew_off', params: { ends_at: end } },
  });
  await runWorkerAt(database, '2026-12-02T00:00:00Z', 'fast-expiry-cleanup');
  expect((await readNextCharge(database)).reason.code).toBe('auto_renew_off');
});

test('a charge that the spend guard holds states the guard', async () => {
  await using database = await openShop();
  await createSubscriber(database, 1n, 149_00n);
  await database.query`
    INSERT INTO perennial.worker_run (worker, replica, replica_number, started_at, finished_at,
      outcome, detail)
    VALUES ('auto-renewal', 'test', 1, '2026-12-01T01:30:00Z', '2026-12-01T01:30:00Z', 'success',
      '{"late_charges": 100}')`;
  await database.setClock('2026-12-01T02:00:00Z');
  expect((await readNextCharge(database)).reason.code).toBe('due');
  expect((await runAutoRenewal(database)).detail).toMatchObject({ held: 1 });
  expect((await readNextCharge(database)).reason.code).toBe('held_by_guard');
  await runAutoRenewal(database, { confirmed: true });
  const { next_charge, subscriptions } = await readCustomerView(database.db, 1n, 0);
  expect(subscriptions[0]?.expires_at).toBe('2026-12-31T00:00:00.000Z');
  expect(next_charge.reason.code).toBe('short');
});

test('each of two subscriptions has its own charge, and the customer has the earliest', async () => {
  await using database = await openShop();
  await createSubscriber(database, 2n, 0n);
  await addBalance(database, 2n, 149_00n + 149_00n);
  await database.setClock('2026-11-02T00:00:00Z');
  await buyPlan(database, 2n, { isNew: true });
  const { next_charge, subscriptions } = await readCustomerView(database.db, 2n, 0);
  expect(
    subscriptions.map((one) => [one.next_charge.reason.code, one.next_charge.missing]),
  ).toEqual([
    ['covered', '0.00'],
    ['short', '149.00'],
  ]);
  expect(next_charge).toEqual(subscriptions[0]?.next_charge);
});
