import { expect, test } from 'vitest';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { findViolations, readDatabaseSnapshot } from '../../../support/database-snapshot.ts';
import { acceptRows, refuseRows } from '../../../support/faults.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  createSubscribers,
  expectSubscription,
  type readSubscription,
  runAutoRenewal,
  runWorkerAt,
  setPrice,
} from '../../../support/shop.ts';

const start = '2026-11-01T00:00:00Z';
const dueAt = '2026-11-30T20:00:00Z';
const renewed = '2026-12-31T00:00:00Z';

test('R12: one poisoned row in a batch of 1,000: 999 renewed, 1 in quarantine with an alarm, in the same run', async () => {
  await using database = await createShopDatabase({ now: dueAt });
  await createSubscribers(database, {
    count: 1_000,
    endsAt: '2026-12-01T00:00:00Z',
    balanceMinor: 149_00n,
  });
  await refuseRows(database, 'INSERT ON perennial.period', 'NEW.subscription_id = 613');
  const problems: object[] = [];
  const run = await runAutoRenewal(database, { problems });
  expect(run).toMatchObject({ outcome: 'degraded', changed: 999n, failed: 1n });
  const { alarms } = await readDatabaseSnapshot(database.db);
  expect(alarms).toEqual(['alarm_quarantine pg_P0001']);
  expect(await findViolations(database.db)).toEqual([]);
  const poisoned = 613n as Parameters<typeof readSubscription>[1];
  await expectSubscription(database, poisoned, { balance: 149_00, quarantined: true });
  expect(problems).toContainEqual(
    expect.objectContaining({ item: '613', code: 'pg_P0001', message: 'item put into quarantine' }),
  );

  // The item waits for its retry, and no run fails because of it.
  expect(await runAutoRenewal(database)).toMatchObject({ outcome: 'success', examined: 0n });
  await acceptRows(database);
  expect(await runWorkerAt(database, '2026-11-30T20:59:59.999Z', 'auto-renewal')).toMatchObject({
    examined: 0n,
  });
  expect(await runWorkerAt(database, '2026-11-30T21:00:00Z', 'auto-renewal')).toMatchObject({
    outcome: 'success',
    changed: 1n,
  });
  await expectSubscription(database, poisoned, { balance: 0, quarantined: false });
}, 60_000);

test('R12: several poisoned rows are each isolated, also neighbours and the first and last', async () => {
  await using database = await createShopDatabase({ now: dueAt });
  await createSubscribers(database, {
    count: 100,
    endsAt: '2026-12-01T00:00:00Z',
    balanceMinor: 149_00n,
  });
  await refuseRows(
    database,
    'INSERT ON perennial.period',
    'NEW.subscription_id IN (1, 50, 51, 100)',
  );
  const run = await runAutoRenewal(database, { batchMax: 40 });
  expect(run).toMatchObject({ outcome: 'degraded', changed: 96n, failed: 4n });
  const rows = await database.query<{ item: string }>`
    SELECT item FROM perennial.quarantine ORDER BY item::int`;
  expect(rows.map(({ item }) => item)).toEqual(['1', '50', '51', '100']);
}, 60_000);

test('R12: more poisoned rows than a run quarantines do not delay the rows behind them', async () => {
  await using database = await createShopDatabase({ now: dueAt });
  await createSubscribers(database, {
    count: 300,
    endsAt: '2026-12-01T00:00:00Z',
    balanceMinor: 149_00n,
  });
  await refuseRows(database, 'INSERT ON perennial.period', 'NEW.subscription_id <= 60');
  const run = await runAutoRenewal(database, { batchMax: 100 });
  expect(run).toMatchObject({ outcome: 'failed', detail: { code: 'too_many_failures' } });
  const rows = await database.query<{ renewed: number; quarantined: number }>`
    SELECT (SELECT count(*)::int FROM perennial.period WHERE source = 'renewal'
        AND subscription_id > 100) AS renewed,
      (SELECT count(*)::int FROM perennial.quarantine) AS quarantined`;
  expect(rows).toEqual([{ renewed: 200, quarantined: 50 }]);
  expect(await runAutoRenewal(database, { batchMax: 100 })).toMatchObject({ outcome: 'degraded' });
  expect(await findViolations(database.db)).toEqual([]);
}, 60_000);

test('R10: a quarantined customer who chooses a plan with a price is renewed at once', async () => {
  await using database = await createShopDatabase({ now: start });
  await addCustomer(database, 1n, { balanceMinor: 500_00n });
  const id = await buyPlan(database, 1n, { plan: 'plus' });
  await setPrice(database, 'plus', 30, null, 'RUB', '2026-11-02T00:00:00Z');
  await runWorkerAt(database, dueAt, 'auto-renewal');
  await expectSubscription(database, id, { quarantined: true });
  const choice = { telegramId: 1n, plan: 'basic', periodDays: 30, when: 'next' } as const;
  await changePlan(createCaller(database), choice);
  await runAutoRenewal(database);
  await expectSubscription(database, id, { ends: renewed, quarantined: false });
});

test('R10: a period without a price is quarantined with an alarm that states the correction; others continue', async () => {
  await using database = await createShopDatabase({ now: start });
  const basic = await createSubscriber(database, 1n, 149_00n);
  await addCustomer(database, 2n, { balanceMinor: 500_00n });
  const plus = await buyPlan(database, 2n, { plan: 'plus' });
  await setPrice(database, 'plus', 30, null, 'RUB', '2026-11-02T00:00:00Z');
  const run = await runWorkerAt(database, dueAt, 'auto-renewal');
  expect(run).toMatchObject({ outcome: 'degraded', changed: 1n, failed: 1n });
  await expectSubscription(database, basic, { ends: renewed, quarantined: false });
  await expectSubscription(database, plus, { balance: 201_00, quarantined: true });
  const rows = await database.query<{ sentence: string }>`
    SELECT params->>'sentence' AS sentence FROM perennial.notification
    WHERE kind = 'alarm_quarantine' AND customer_id IS NULL`;
  expect(rows).toEqual([{ sentence: 'customer 2: plan plus has no price for 30 days in RUB' }]);

  await setPrice(database, 'plus', 30, 199_00n, 'RUB', '2026-11-30T20:30:00Z');
  await runWorkerAt(database, '2026-11-30T21:00:00Z', 'auto-renewal');
  await expectSubscription(database, plus, { ends: renewed, balance: 2_00, quarantined: false });
});

test('R10: a plan that has no price in the currency of the customer is never charged by another one', async () => {
  await using database = await createShopDatabase({ now: start });
  await setPrice(database, 'basic', 30, 2_00n, 'USD');
  await addCustomer(database, 1n, { balanceMinor: 50_00n, currency: 'USD' });
  const id = await buyPlan(database, 1n);
  await setPrice(database, 'basic', 30, null, 'USD', '2026-11-02T00:00:00Z');
  await runWorkerAt(database, dueAt, 'auto-renewal');
  await expectSubscription(database, id, { balance: 48_00, charges: 1, quarantined: true });
});

test('R10: a quarantined item that can be decided again, but is short, leaves quarantine', async () => {
  await using database = await createShopDatabase({ now: start });
  await addCustomer(database, 1n, { balanceMinor: 299_00n });
  const id = await buyPlan(database, 1n, { plan: 'plus' });
  await setPrice(database, 'plus', 30, null, 'RUB', '2026-11-02T00:00:00Z');
  await runWorkerAt(database, dueAt, 'auto-renewal');
  await expectSubscription(database, id, { quarantined: true });
  await setPrice(database, 'plus', 30, 299_00n, 'RUB', '2026-11-30T20:30:00Z');
  await runWorkerAt(database, '2026-11-30T21:00:00Z', 'auto-renewal');
  await expectSubscription(database, id, { lowBalanceNotices: 1, quarantined: false });
  await addBalance(database, 1n, 299_00n);
  await runAutoRenewal(database);
  await expectSubscription(database, id, { ends: renewed });
});
