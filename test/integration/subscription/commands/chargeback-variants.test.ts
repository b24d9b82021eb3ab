import { expect, test } from 'vitest';
import type { PeriodId } from '../../../../src/kernel/ids.ts';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { movePayment } from '../../../../src/subscription/commands/move-payment.ts';
import { refund } from '../../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import { readCustomerView } from '../../../../src/subscription/queries/customer-view.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { expectFault } from '../../../support/faults.ts';
import { payIn, reverseCharge } from '../../../support/payments.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';
import { createTermsShop, readAuditViolations, refundPeriod } from '../../../support/terms-shop.ts';

// Chargebacks of payments after other commands. Each case ends with the audit.

const day10 = '2026-11-11T00:00:00Z';

/** A customer whose payment `p-1` of this amount is on the balance. */
async function createPaidMonth(amountMinor: bigint): Promise<TestDatabase> {
  const database = await createTermsShop();
  await addCustomer(database, 1n);
  await payIn(database, 'p-1', amountMinor);
  return database;
}

const readSubscriptions = async ({ db }: TestDatabase, telegramId = 1n) =>
  (await readCustomerView(db, telegramId, 0)).subscriptions;

const readLastPeriodId = async (database: TestDatabase): Promise<PeriodId> => {
  const [subscription] = await readSubscriptions(database);
  const live = subscription?.periods.filter(({ refunded_at }) => refunded_at === null) ?? [];
  return BigInt(live.at(-1)?.id ?? 0) as PeriodId;
};

interface Case {
  readonly name: string;
  readonly paidMinor: bigint;
  readonly before: (database: TestDatabase) => Promise<unknown>;
  readonly answer: object;
  /** The states of the subscriptions after it. */
  readonly states: readonly string[];
}

const cases: readonly Case[] = [
  {
    name: 'two periods of one subscription',
    paidMinor: 298_00n,
    before: async (database) => {
      await buyPlan(database, 1n);
      await buyPlan(database, 1n);
      await database.setClock(day10);
    },
    answer: { periods_ended: 2, returned: '248.33', taken: '248.33', claim: '49.67' },
    states: ['expired'],
  },
  {
    name: 'two subscriptions',
    paidMinor: 159_00n,
    before: async (database) => {
      await buyPlan(database, 1n);
      await buyPlan(database, 1n, { plan: 'mini', isNew: true });
      await database.setClock(day10);
    },
    answer: { periods_ended: 2, returned: '105.99', taken: '105.99', claim: '53.01' },
    states: ['expired', 'expired'],
  },
  {
    name: 'a period that is over',
    paidMinor: 149_00n,
    before: async (database) => {
      await buyPlan(database, 1n, { autoRenew: false });
      await runWorkerAt(database, '2026-12-02T00:00:00Z', 'fast-expiry-cleanup');
    },
    answer: { periods_ended: 0, returned: '0.00', taken: '0.00', claim: '149.00' },
    states: ['expired'],
  },
  {
    name: 'a period whose unused part was refunded',
    paidMinor: 149_00n,
    before: async (database) => {
      await buyPlan(database, 1n);
      await database.setClock(day10);
      await refund(createCaller(database), {
        ...{ telegramId: 1n, periodId: await readLastPeriodId(database), part: 'unused' },
      });
    },
    answer: { periods_ended: 0, taken: '99.33', claim: '49.67' },
    states: ['expired'],
  },
  {
    name: 'a period that was refunded and paid out',
    paidMinor: 149_00n,
    before: async (database) => {
      await buyPlan(database, 1n);
      await refund(createCaller(database), {
        ...{
          telegramId: 1n,
          periodId: await readLastPeriodId(database),
          part: 'whole',
          payout: true,
        },
      });
    },
    answer: { periods_ended: 0, taken: '0.00', claim: '149.00' },
    states: ['expired'],
  },
  {
    name: 'a period that a change of plan replaced',
    paidMinor: 500_00n,
    before: async (database) => {
      await buyPlan(database, 1n);
      const wanted = { telegramId: 1n, plan: 'plus', periodDays: 30, when: 'now' } as const;
      await changePlan(createCaller(database), wanted);
    },
    answer: { periods_ended: 1, returned: '299.00', taken: '500.00', claim: '0.00' },
    states: ['expired'],
  },
  {
    name: 'a period with a grant behind it',
    paidMinor: 149_00n,
    before: async (database) => {
      await buyPlan(database, 1n);
      await grant(createCaller(database), { telegramId: 1n, days: 5 });
      await database.setClock(day10);
    },
    answer: { periods_ended: 1, returned: '99.33', claim: '49.67' },
    states: ['active'],
  },
  {
    name: 'a subscription that was revoked with a refund',
    paidMinor: 149_00n,
    before: async (database) => {
      await buyPlan(database, 1n);
      await revoke(createCaller(database), { telegramId: 1n, reason: 'test', refund: 'whole' });
    },
    answer: { periods_ended: 0, taken: '149.00', claim: '0.00' },
    states: ['revoked'],
  },
  {
    name: 'a subscription that was revoked without a refund',
    paidMinor: 149_00n,
    before: async (database) => {
      await buyPlan(database, 1n);
      await database.setClock(day10);
      await revoke(createCaller(database), { telegramId: 1n, reason: 'test' });
    },
    answer: { periods_ended: 1, returned: '99.33', taken: '99.33', claim: '49.67' },
    states: ['revoked'],
  },
];

test.each(cases)('C1: a chargeback of a payment that paid $name', async (one) => {
  const database = await createPaidMonth(one.paidMinor);
  await one.before(database);
  expect(await reverseCharge(database)).toMatchObject(one.answer);
  const subscriptions = await readSubscriptions(database);
  expect(subscriptions.map(({ state }) => state)).toEqual(one.states);
  await expectFault(reverseCharge(database, { dispute: 'd-2' }), 'payment_reversed');
  expect(await readAuditViolations(database)).toEqual([]);
});

/** The customer buys a month with the payment `p-2`, after a chargeback of the payment `p-1`. */
test.each([
  {
    name: 'with money from before the later payment',
    before: async (database: TestDatabase) => {
      await buyPlan(database, 1n);
      await payIn(database, 'p-2', 149_00n);
    },
  },
  {
    name: 'with money that a refund returned in part above the later payment',
    before: async (database: TestDatabase) => {
      await buyPlan(database, 1n);
      await payIn(database, 'p-2', 149_00n);
      const periodId = await readLastPeriodId(database);
      await refundPeriod(database, periodId, 'whole');
    },
  },
])('C1: a chargeback takes the money of its payment first, $name', async ({ before }) => {
  const database = await createPaidMonth(298_00n);
  await before(database);
  expect(await reverseCharge(database)).toMatchObject({ taken: '298.00', balance: '149.00' });
  await buyPlan(database, 1n);
  const answer = await reverseCharge(database, { providerRef: 'p-2', dispute: 'd-2' });
  expect(answer).toMatchObject({ periods_ended: 1, returned: '149.00', claim: '0.00' });
  expect((await readSubscriptions(database)).map(({ state }) => state)).toEqual(['expired']);
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C1: the chargeback of a payment that paid a claim restores the claim', async () => {
  const database = await createPaidMonth(149_00n);
  await buyPlan(database, 1n);
  await database.setClock(day10);
  await reverseCharge(database);
  await payIn(database, 'p-2', 100_00n);
  const answer = await reverseCharge(database, { providerRef: 'p-2', dispute: 'd-2' });
  expect(answer).toMatchObject({ taken: '50.33', claim_added: '49.67', claim: '49.67' });
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C1: a moved payment is charged back at its present customer, with the periods that it paid there', async () => {
  const database = await createPaidMonth(149_00n);
  await addCustomer(database, 2n);
  await movePayment(createCaller(database), {
    ...{ provider: 'cards', providerRef: 'p-1', from: 1n, to: 2n },
  });
  await buyPlan(database, 2n);
  await expectFault(reverseCharge(database), 'no_payment');
  expect(await reverseCharge(database, { telegramId: 2n })).toMatchObject({
    periods_ended: 1,
    taken: '149.00',
  });
  expect((await readSubscriptions(database, 2n))[0]?.state).toBe('expired');
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C1: a returned payment pays the claim, and its chargeback restores the claim', async () => {
  const database = await createPaidMonth(149_00n);
  await addCustomer(database, 2n);
  await buyPlan(database, 1n);
  const payment = { provider: 'cards', providerRef: 'p-1' };
  await movePayment(createCaller(database), { ...payment, from: 1n, to: 2n, withClaim: true });
  await movePayment(createCaller(database), { ...payment, from: 2n, to: 1n });
  expect(await reverseCharge(database)).toMatchObject({ periods_ended: 0, claim: '149.00' });
  expect((await readSubscriptions(database))[0]?.state).toBe('active');
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C1: one dispute id of two providers is two disputes', async () => {
  const database = await createPaidMonth(10_00n);
  await topUp(createCaller(database), {
    ...{ telegramId: 1n, amountMinor: 10_00n, provider: 'crypto', providerRef: 'p-1' },
  });
  await reverseCharge(database);
  await reverseCharge(database, { provider: 'crypto' });
  expect(await readAuditViolations(database)).toEqual([]);
});

test.each([0, 1, 2, 3])(
  'C1: a chargeback at the same time as the renewal leaves one valid result (try %i)',
  async () => {
    const database = await createPaidMonth(149_00n);
    await buyPlan(database, 1n);
    await payIn(database, 'p-2', 149_00n);
    await database.setClock('2026-11-30T20:00:00Z');
    const [answer] = await Promise.all([
      reverseCharge(database, { providerRef: 'p-2' }),
      runWorker(database, 'auto-renewal'),
    ]);
    expect(answer).toMatchObject({ taken: '149.00', claim: '0.00', balance: '0.00' });
    const [subscription] = await readSubscriptions(database);
    expect(subscription?.expires_at).toBe('2026-12-01T00:00:00.000Z');
    expect(await readAuditViolations(database)).toEqual([]);
  },
);

test('C1: one dispute that is entered many times at once is entered once', async () => {
  const database = await createPaidMonth(149_00n);
  await addBalance(database, 1n, 1_000_00n);
  const asked = await Promise.allSettled(
    Array.from({ length: 6 }, (_, at) => reverseCharge(database, { dispute: `d-${at % 2}` })),
  );
  expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect((await readCustomerView(database.db, 1n, 0)).customer.balance).toBe('1000.00');
  expect(await readAuditViolations(database)).toEqual([]);
});
