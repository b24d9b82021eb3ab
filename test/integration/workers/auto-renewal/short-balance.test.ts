import { expect, test } from 'vitest';
import { adjustBalance } from '../../../../src/subscription/commands/adjust.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { setCustomer } from '../../../../src/subscription/commands/customer.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { findViolations } from '../../../support/database-snapshot.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  expectSubscription,
  runAutoRenewal,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';

// A balance that is too low: nothing is debited, and one notification per period is enqueued. The
// next attempt follows within the hour, and at once after a change that may let it succeed.

const start = '2026-11-01T00:00:00Z';
const dueAt = '2026-11-30T20:00:00Z';
const renewed = '2026-12-31T00:00:00Z';

/** One kopeck short of a month of basic, with the notification. */
async function createShortDatabase() {
  const database = await createShopDatabase({ now: start });
  const id = await createSubscriber(database, 1n, 148_99n);
  expect(await runWorkerAt(database, dueAt, 'auto-renewal')).toMatchObject({
    outcome: 'success',
    changed: 0n,
  });
  return { database, id };
}

test('R6: a short balance is not touched, one notification per period is enqueued, the next attempt is in an hour', async () => {
  const { database, id } = await createShortDatabase();
  await using _ = database;
  const waiting = { balance: 148_99, charges: 1, lowBalanceNotices: 1 };
  await expectSubscription(database, id, { ...waiting, nextTry: '2026-11-30T21:00:00Z' });

  expect(await runWorkerAt(database, '2026-11-30T20:59:59.999Z', 'auto-renewal')).toMatchObject({
    examined: 0n,
  });
  expect(await runWorkerAt(database, '2026-11-30T21:00:00Z', 'auto-renewal')).toMatchObject({
    examined: 1n,
    changed: 0n,
  });
  await expectSubscription(database, id, { ...waiting, nextTry: '2026-11-30T22:00:00Z' });

  await runWorkerAt(database, '2026-11-30T23:20:00Z', 'auto-renewal');
  // The last attempt is at the end itself, not after it.
  await expectSubscription(database, id, { ...waiting, nextTry: '2026-12-01T00:00:00Z' });
  expect(await findViolations(database.db)).toEqual([]);
});

test('R6: the notification names the missing amount and the end', async () => {
  const { database } = await createShortDatabase();
  await using _ = database;
  const rows = await database.query`
    SELECT params FROM perennial.notification WHERE kind = 'low_balance'`;
  const params = { price: '149.00', missing: '0.01', expires_at: '2026-12-01T00:00:00.000Z' };
  expect(rows).toMatchObject([{ params }]);
});

const reliefCommands: Readonly<Record<string, (database: TestDatabase) => Promise<unknown>>> = {
  'a top-up': (database) => addBalance(database, 1n, 1n),
  'a correction': (database) =>
    adjustBalance(createCaller(database), { telegramId: 1n, amountMinor: 1n, reason: 'test' }),
  'a discount': (database) =>
    setCustomer(createCaller(database), { telegramId: 1n, discountPercent: 1 }),
  VIP: (database) => setCustomer(createCaller(database), { telegramId: 1n, vip: true }),
  'a cheaper plan': (database) =>
    changePlan(createCaller(database), {
      telegramId: 1n,
      plan: 'mini',
      periodDays: 30,
      when: 'next',
    }),
};

test.each(Object.keys(reliefCommands))(
  'R6: after %s the subscription is renewed at once, not in an hour',
  async (what) => {
    const { database, id } = await createShortDatabase();
    await using _ = database;
    await reliefCommands[what]?.(database);
    expect(await runAutoRenewal(database)).toMatchObject({ outcome: 'success', changed: 1n });
    await expectSubscription(database, id, { ends: renewed, charges: 2 });
  },
);

test('R6: a top-up in the last minute before the end renews the subscription before it can end', async () => {
  const { database, id } = await createShortDatabase();
  await using _ = database;
  await database.setClock('2026-11-30T23:59:59.999Z');
  await addBalance(database, 1n, 1n);
  expect(await runAutoRenewal(database)).toMatchObject({ outcome: 'success', changed: 1n });
  await runWorkerAt(database, '2026-12-01T00:00:00Z', 'fast-expiry-cleanup');
  await expectSubscription(database, id, { state: 'active', ends: renewed });
});

test('R6: a top-up within 7 days after a short expiry revives the subscription from the top-up on', async () => {
  const { database, id } = await createShortDatabase();
  await using _ = database;
  await runWorkerAt(database, '2026-12-01T00:00:00Z', 'fast-expiry-cleanup');
  await expectSubscription(database, id, { state: 'expired', nextTry: 'never' });
  await database.setClock('2026-12-08T00:00:00Z');
  await addBalance(database, 1n, 1n);
  await runAutoRenewal(database);
  const back = { state: 'active', ends: '2027-01-07T00:00:00Z', balance: 0, charges: 2 };
  await expectSubscription(database, id, back);
  expect(await findViolations(database.db)).toEqual([]);
});

test('R6: switching auto-renewal on again makes an affordable renewal due at once', async () => {
  const { database, id } = await createShortDatabase();
  await using _ = database;
  const switched = (on: boolean) => setAutoRenew(createCaller(database), { telegramId: 1n, on });
  await switched(false);
  await addBalance(database, 1n, 1n);
  expect(await runAutoRenewal(database)).toMatchObject({ examined: 0n });
  await switched(true);
  expect(await runAutoRenewal(database)).toMatchObject({ changed: 1n });
  await expectSubscription(database, id, { ends: renewed, balance: 0 });
});

test('R6: the next short period has its own notification', async () => {
  const { database, id } = await createShortDatabase();
  await using _ = database;
  await addBalance(database, 1n, 1n);
  await runAutoRenewal(database);
  await runWorkerAt(database, '2026-12-30T20:00:00Z', 'auto-renewal');
  await expectSubscription(database, id, { charges: 2, lowBalanceNotices: 2 });
});

test('R6: workers never switch auto-renewal off, however often the balance is short', async () => {
  await using database = await createShopDatabase({ now: start });
  await addCustomer(database, 1n, { balanceMinor: 149_00n });
  await buyPlan(database, 1n);
  for (const now of ['2026-11-30T18:00:00Z', '2026-11-30T23:00:00Z', '2026-12-01T00:00:00Z']) {
    await runWorkerAt(database, now, 'auto-renewal');
    await runWorker(database, 'fast-expiry-cleanup');
  }
  const rows = await database.query`SELECT state, auto_renew FROM perennial.subscription`;
  expect(rows).toEqual([{ state: 'expired', auto_renew: true }]);
});
