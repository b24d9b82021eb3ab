import { expect, test } from 'vitest';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { readCustomerView } from '../../../../src/subscription/queries/customer-view.ts';
import { expectFault } from '../../../support/faults.ts';
import {
  addBalance,
  buyPlan,
  createCaller,
  createSubscriber,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';
import {
  createTermsShop,
  grantDays,
  readAuditViolations,
  readPeriodId,
  readSubscriptionView,
  readTerms,
  refundPeriod,
} from '../../../support/terms-shop.ts';

// A refund ends the running period, and later periods move to an earlier start.

test.each(['whole', 'unused'] as const)(
  'B3: a refund (%s) ends the running period at that moment, and a top-up a minute later revives',
  async (part) => {
    const database = await createTermsShop();
    await createSubscriber(database, 1n, 0n);
    const now = '2026-11-21T00:00:00.000Z';
    await database.setClock(now);
    const periodId = await readPeriodId(database, { source: 'purchase' });
    await refundPeriod(database, periodId, part, { keepAutoRenew: true });
    const ended = await readSubscriptionView(database);
    expect(ended).toMatchObject({ state: 'expired', expires_at: now });
    const served = {
      part_of: Number(periodId),
      starts_at: '2026-11-01T00:00:00.000Z',
      ends_at: now,
    };
    expect(ended.periods.filter(({ refunded_at }) => refunded_at === null)).toMatchObject([served]);
    expect(await readAuditViolations(database)).toEqual([]);
    await database.setClock('2026-11-21T00:01:00Z');
    await addBalance(database, 1n, 149_00n);
    await runWorker(database, 'auto-renewal');
    expect(await readSubscriptionView(database)).toMatchObject({ state: 'active', plan: 'basic' });
    expect(await readAuditViolations(database)).toEqual([]);
  },
);

test('B3: the time before an immediate change of plan stays explained', async () => {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 500_00n);
  await database.setClock('2026-11-11T00:00:00Z');
  await changePlan(createCaller(database), {
    telegramId: 1n,
    plan: 'plus',
    periodDays: 30,
    when: 'now',
  });
  const { periods } = await readSubscriptionView(database);
  const live = periods.filter(({ refunded_at }) => refunded_at === null);
  expect(live.map(({ plan, starts_at }) => `${plan} ${starts_at.slice(0, 10)}`)).toEqual([
    'basic 2026-11-01',
    'plus 2026-11-11',
  ]);
  expect(await readTerms(database)).toBe('paid plus 30');
  expect(await readAuditViolations(database)).toEqual([]);
});

test('B4: a grant is taken back, and the paid period before it stays', async () => {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 0n);
  const periodId = await grantDays(database, 300);
  const answer = await refundPeriod(database, periodId);
  expect(answer).toMatchObject({ amount: '0.00', expires_at: '2026-12-01T00:00:00.000Z' });
  expect(await readSubscriptionView(database)).toMatchObject({ state: 'active', auto_renew: true });
  const { notices } = await readCustomerView(database.db, 1n, 1);
  expect(notices[0]).toMatchObject({
    kind: 'grant_taken_back',
    params: { plan: 'basic', ends_at: '2026-12-01T00:00:00.000Z' },
  });
  expect(await readAuditViolations(database)).toEqual([]);
});

test('B4: the paid period before a grant is refunded, and no granted day is lost', async () => {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 0n);
  await grantDays(database, 3);
  await grantDays(database, 5);
  await database.setClock('2026-11-11T00:00:00Z');
  const paid = await readPeriodId(database, { source: 'purchase' });
  const answer = await refundPeriod(database, paid, 'unused');
  expect(answer).toMatchObject({ expires_at: '2026-11-19T00:00:00.000Z', state: 'active' });
  const { periods } = await readSubscriptionView(database);
  const given = periods.filter(({ source }) => source === 'grant');
  expect(given.map((one) => [one.starts_at.slice(0, 10), one.moved_from?.slice(0, 10)])).toEqual([
    ['2026-11-11', '2026-12-01'],
    ['2026-11-14', '2026-12-04'],
  ]);
  expect(await readAuditViolations(database)).toEqual([]);
});

test('B4: a running grant that is taken back lets the paid period behind it start now', async () => {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 0n);
  const periodId = await grantDays(database, 10);
  await addBalance(database, 1n, 399_00n);
  await buyPlan(database, 1n, { periodDays: 90 });
  await runWorkerAt(database, '2026-12-05T00:00:00Z', 'fast-expiry-cleanup');
  const answer = await refundPeriod(database, periodId, 'unused');
  expect(answer).toMatchObject({ expires_at: '2027-03-05T00:00:00.000Z', state: 'active' });
  expect(await readTerms(database)).toBe('paid basic 90');
  expect(await readAuditViolations(database)).toEqual([]);
});

test('B4: a grant that is over is not taken back, and a period with a bought one behind it waits', async () => {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 0n);
  const periodId = await grantDays(database, 3);
  await addBalance(database, 1n, 149_00n);
  await buyPlan(database, 1n);
  const first = await readPeriodId(database, { source: 'purchase' });
  await expectFault(refundPeriod(database, first), 'refund_later_first');
  await database.setClock('2026-12-04T00:00:00Z');
  await expectFault(refundPeriod(database, periodId), 'nothing_unused');
});
