import { expect, test } from 'vitest';
import { startTrial } from '../../../../src/subscription/commands/trial.ts';
import { runRenewalsAt } from '../../../support/prices.ts';
import {
  addCustomer,
  buyPlan,
  createCaller,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';
import {
  chooseNextPlan,
  createTermsShop,
  grantDays,
  readAuditViolations,
  readNodes,
  readPeriodId,
  readSubscriptionView,
  readTerms,
  refundPeriod,
  takeMarks,
} from '../../../support/terms-shop.ts';

// Plan, length and kind follow the period in force, and the last period that is not refunded.

test.each([
  ['plus', 'basic', ['fast-1', 'nl-1'], ['nl-1']],
  ['basic', 'plus', ['nl-1'], ['fast-1', 'nl-1']],
])(
  'B1: access changes from %s to %s at the start of the renewed period, not at its charge',
  async (from, to, before, after) => {
    const database = await createTermsShop();
    await addCustomer(database, 1n, { balanceMinor: 1_000_00n });
    await buyPlan(database, 1n, { plan: from });
    await chooseNextPlan(database, to);
    await database.setClock('2026-11-30T18:05:00Z');
    await takeMarks(database);
    expect(await runWorker(database, 'auto-renewal')).toMatchObject({ changed: 1n });
    expect([await readNodes(database), await takeMarks(database)]).toEqual([before, []]);
    expect(await readTerms(database)).toBe(`paid ${from} 30, then ${to} 30`);
    expect(
      await runWorkerAt(database, '2026-11-30T23:59:59.999Z', 'fast-expiry-cleanup'),
    ).toMatchObject({ examined: 0n });
    expect(
      await runWorkerAt(database, '2026-12-01T00:00:00Z', 'fast-expiry-cleanup'),
    ).toMatchObject({ changed: 1n });
    expect([await readNodes(database), await takeMarks(database)]).toEqual([
      after,
      ['fast-1', 'nl-1'],
    ]);
    expect(await readTerms(database)).toBe(`paid ${to} 30`);
    expect(await readAuditViolations(database)).toEqual([]);
  },
);

test('B1: a trial that was bought as plus stays basic until its end', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n, { balanceMinor: 1_000_00n });
  await startTrial(createCaller(database), { telegramId: 1n });
  await buyPlan(database, 1n, { plan: 'plus' });
  expect([await readTerms(database), await readNodes(database)]).toEqual([
    'paid basic 3, then plus 30',
    ['nl-1'],
  ]);
  await runWorkerAt(database, '2026-11-04T00:00:00Z', 'fast-expiry-cleanup');
  expect([await readTerms(database), await readNodes(database)]).toEqual([
    'paid plus 30',
    ['fast-1', 'nl-1'],
  ]);
});

test('B1: a plan that is chosen after the charge counts from the renewal after it', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n, { balanceMinor: 2_000_00n });
  await buyPlan(database, 1n);
  await chooseNextPlan(database, 'plus');
  await runWorkerAt(database, '2026-11-30T20:00:00Z', 'auto-renewal');
  await chooseNextPlan(database, 'basic');
  await runWorkerAt(database, '2026-12-01T00:00:00Z', 'fast-expiry-cleanup');
  expect(await readTerms(database)).toBe('paid plus 30, then basic 30');
  await runWorkerAt(database, '2026-12-30T20:00:00Z', 'auto-renewal');
  await runWorkerAt(database, '2026-12-31T00:00:00Z', 'fast-expiry-cleanup');
  expect(await readTerms(database)).toBe('paid basic 30');
});

test('B1: after a downtime over several periods the terms are those of the running one', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n, { balanceMinor: 5_000_00n });
  await buyPlan(database, 1n);
  await buyPlan(database, 1n, { periodDays: 90 });
  await buyPlan(database, 1n, { periodDays: 365 });
  expect(await readTerms(database)).toBe('paid basic 30, then basic 365');
  await runWorkerAt(database, '2027-04-01T00:00:00Z', 'fast-expiry-cleanup');
  expect(await readTerms(database)).toBe('paid basic 365');
  expect(await readAuditViolations(database)).toEqual([]);
});

test('B2: after the refund of a year the renewal is for a month again', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n, { balanceMinor: 5_000_00n });
  await buyPlan(database, 1n);
  await buyPlan(database, 1n, { periodDays: 365 });
  const periodId = await readPeriodId(database, { amount: '1399.00' });
  await refundPeriod(database, periodId, 'whole', { keepAutoRenew: true });
  expect(await readTerms(database)).toBe('paid basic 30');
  expect(await runRenewalsAt(database, '2026-11-30T20:00:00Z')).toEqual([149]);
});

test('B2: a grant after the refund of a running year continues the month before it', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n, { balanceMinor: 5_000_00n });
  await buyPlan(database, 1n);
  await buyPlan(database, 1n, { periodDays: 365 });
  await runWorkerAt(database, '2026-12-11T00:00:00Z', 'fast-expiry-cleanup');
  const periodId = await readPeriodId(database, { amount: '1399.00' });
  await refundPeriod(database, periodId, 'whole', { keepAutoRenew: true });
  await grantDays(database, 3);
  expect(await readTerms(database)).toBe('paid basic 30');
  expect(await runRenewalsAt(database, '2026-12-13T20:00:00Z')).toEqual([149]);
  expect(await readAuditViolations(database)).toEqual([]);
});

test.each(['whole', 'unused'] as const)(
  'B2: a trial that was bought as plus and refunded (%s) is a trial of basic again',
  async (part) => {
    const database = await createTermsShop();
    await addCustomer(database, 1n, { balanceMinor: 1_000_00n });
    await startTrial(createCaller(database), { telegramId: 1n });
    await buyPlan(database, 1n, { plan: 'plus' });
    await database.setClock('2026-11-02T00:00:00Z');
    const periodId = await readPeriodId(database, { source: 'purchase' });
    await refundPeriod(database, periodId, part, { keepAutoRenew: true });
    expect(await readSubscriptionView(database)).toMatchObject({
      state: 'active',
      auto_renew: false,
    });
    expect([await readTerms(database), await readNodes(database)]).toEqual([
      'trial basic 3',
      ['nl-1'],
    ]);
    expect(await readAuditViolations(database)).toEqual([]);
  },
);

test('B2: the refund of a renewal that was charged early keeps the plan in force', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n, { balanceMinor: 1_000_00n });
  await buyPlan(database, 1n, { plan: 'plus' });
  await chooseNextPlan(database, 'basic');
  await runWorkerAt(database, '2026-11-30T20:00:00Z', 'auto-renewal');
  const periodId = await readPeriodId(database, { source: 'renewal' });
  await refundPeriod(database, periodId, 'whole', { keepAutoRenew: true });
  expect([await readTerms(database), await readNodes(database)]).toEqual([
    'paid plus 30',
    ['fast-1', 'nl-1'],
  ]);
  await database.setClock('2026-12-01T00:00:00Z');
  expect(await readAuditViolations(database)).toEqual([]);
});
