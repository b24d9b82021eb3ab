import { expect, test } from 'vitest';
import type { PeriodId } from '../../src/kernel/ids.ts';
import { topUp } from '../../src/subscription/balance.ts';
import { type Chargeback, chargeback } from '../../src/subscription/chargeback.ts';
import { grant, revoke } from '../../src/subscription/granting.ts';
import { movePayment } from '../../src/subscription/move-payment.ts';
import { changePlan } from '../../src/subscription/plan-change.ts';
import { portraitOf } from '../../src/subscription/portrait.ts';
import { refund } from '../../src/subscription/refunding.ts';
import { buys, callOf, joins, paysIn, runOf } from '../a-book.ts';
import type { Books } from '../books.ts';
import { shop, wrongs } from './sold-terms.ts';

// Chargebacks of payments that met other commands in between. Each case ends with the audit.

const pays = (books: Books, providerRef: string, amountMinor: bigint, telegramId = 1n) =>
  topUp(callOf(books), { telegramId, amountMinor, provider: 'cards', providerRef });

const chargesBack = (books: Books, more: Partial<Chargeback> = {}) => {
  const named = { telegramId: 1n, provider: 'cards', providerRef: 'p-1', dispute: 'd-1' };
  return chargeback(callOf(books), { ...named, ...more });
};

const day10 = '2026-11-11T00:00:00Z';

/** A customer whose payment `p-1` of this amount is on the balance. */
async function paid(amountMinor: bigint): Promise<Books> {
  const books = await shop();
  await joins(books, 1n);
  await pays(books, 'p-1', amountMinor);
  return books;
}

const subscriptionsOf = async ({ db }: Books, telegramId = 1n) =>
  (await portraitOf(db, telegramId, 0)).subscriptions;

const lastPeriod = async (books: Books): Promise<PeriodId> => {
  const [subscription] = await subscriptionsOf(books);
  const live = subscription?.periods.filter(({ refunded_at }) => refunded_at === null) ?? [];
  return BigInt(live.at(-1)?.id ?? 0) as PeriodId;
};

interface Case {
  readonly name: string;
  readonly paidMinor: bigint;
  readonly before: (books: Books) => Promise<unknown>;
  readonly answer: object;
  /** The states of the subscriptions after it. */
  readonly states: readonly string[];
}

const cases: readonly Case[] = [
  {
    name: 'two periods of one subscription',
    paidMinor: 298_00n,
    before: async (books) => {
      await buys(books, 1n);
      await buys(books, 1n);
      await books.setClock(day10);
    },
    answer: { periods_ended: 2, returned: '248.33', taken: '248.33', claim: '49.67' },
    states: ['expired'],
  },
  {
    name: 'two subscriptions',
    paidMinor: 159_00n,
    before: async (books) => {
      await buys(books, 1n);
      await buys(books, 1n, { plan: 'mini', isNew: true });
      await books.setClock(day10);
    },
    answer: { periods_ended: 2, returned: '105.99', taken: '105.99', claim: '53.01' },
    states: ['expired', 'expired'],
  },
  {
    name: 'a period that is over',
    paidMinor: 149_00n,
    before: async (books) => {
      await buys(books, 1n, { autoRenew: false });
      await books.setClock('2026-12-02T00:00:00Z');
      await runOf(books, 'fast-expiry-cleanup');
    },
    answer: { periods_ended: 0, returned: '0.00', taken: '0.00', claim: '149.00' },
    states: ['expired'],
  },
  {
    name: 'a period whose unused part was refunded',
    paidMinor: 149_00n,
    before: async (books) => {
      await buys(books, 1n);
      await books.setClock(day10);
      await refund(callOf(books), {
        ...{ telegramId: 1n, periodId: await lastPeriod(books), part: 'unused' },
      });
    },
    answer: { periods_ended: 0, taken: '99.33', claim: '49.67' },
    states: ['expired'],
  },
  {
    name: 'a period that was refunded and paid out',
    paidMinor: 149_00n,
    before: async (books) => {
      await buys(books, 1n);
      await refund(callOf(books), {
        ...{ telegramId: 1n, periodId: await lastPeriod(books), part: 'whole', payout: true },
      });
    },
    answer: { periods_ended: 0, taken: '0.00', claim: '149.00' },
    states: ['expired'],
  },
  {
    name: 'a period that a change of plan replaced',
    paidMinor: 500_00n,
    before: async (books) => {
      await buys(books, 1n);
      const wanted = { telegramId: 1n, plan: 'plus', periodDays: 30, when: 'now' } as const;
      await changePlan(callOf(books), wanted);
    },
    answer: { periods_ended: 1, returned: '299.00', taken: '500.00', claim: '0.00' },
    states: ['expired'],
  },
  {
    name: 'a period with a gift behind it',
    paidMinor: 149_00n,
    before: async (books) => {
      await buys(books, 1n);
      await grant(callOf(books), { telegramId: 1n, days: 5 });
      await books.setClock(day10);
    },
    answer: { periods_ended: 1, returned: '99.33', claim: '49.67' },
    states: ['active'],
  },
  {
    name: 'a subscription that was revoked with a refund',
    paidMinor: 149_00n,
    before: async (books) => {
      await buys(books, 1n);
      await revoke(callOf(books), { telegramId: 1n, reason: 'test', refund: 'whole' });
    },
    answer: { periods_ended: 0, taken: '149.00', claim: '0.00' },
    states: ['revoked'],
  },
  {
    name: 'a subscription that was revoked without a refund',
    paidMinor: 149_00n,
    before: async (books) => {
      await buys(books, 1n);
      await books.setClock(day10);
      await revoke(callOf(books), { telegramId: 1n, reason: 'test' });
    },
    answer: { periods_ended: 1, returned: '99.33', taken: '99.33', claim: '49.67' },
    states: ['revoked'],
  },
];

test.each(cases)('C1: a chargeback of a payment that paid $name', async (one) => {
  const books = await paid(one.paidMinor);
  await one.before(books);
  expect(await chargesBack(books)).toMatchObject(one.answer);
  const subscriptions = await subscriptionsOf(books);
  expect(subscriptions.map(({ state }) => state)).toEqual(one.states);
  await expect(chargesBack(books, { dispute: 'd-2' })).rejects.toMatchObject({
    code: 'payment_reversed',
  });
  expect(await wrongs(books)).toEqual([]);
});

/** The customer buys a month with the payment `p-2`, after a chargeback of the payment `p-1`. */
test.each([
  {
    name: 'with money from before the later payment',
    before: async (books: Books) => {
      await buys(books, 1n);
      await pays(books, 'p-2', 149_00n);
    },
  },
  {
    name: 'with money that a refund returned in part above the later payment',
    before: async (books: Books) => {
      await buys(books, 1n);
      await pays(books, 'p-2', 149_00n);
      const periodId = await lastPeriod(books);
      await refund(callOf(books), { telegramId: 1n, periodId, part: 'whole' });
    },
  },
])('C1: a chargeback takes the money of its own payment first, $name', async ({ before }) => {
  const books = await paid(298_00n);
  await before(books);
  expect(await chargesBack(books)).toMatchObject({ taken: '298.00', balance: '149.00' });
  await buys(books, 1n);
  const answer = await chargesBack(books, { providerRef: 'p-2', dispute: 'd-2' });
  expect(answer).toMatchObject({ periods_ended: 1, returned: '149.00', claim: '0.00' });
  expect((await subscriptionsOf(books)).map(({ state }) => state)).toEqual(['expired']);
  expect(await wrongs(books)).toEqual([]);
});

test('C1: the chargeback of a payment that paid a claim brings the claim back', async () => {
  const books = await paid(149_00n);
  await buys(books, 1n);
  await books.setClock(day10);
  await chargesBack(books);
  await pays(books, 'p-2', 100_00n);
  const answer = await chargesBack(books, { providerRef: 'p-2', dispute: 'd-2' });
  expect(answer).toMatchObject({ taken: '50.33', claim_added: '49.67', claim: '49.67' });
  expect(await wrongs(books)).toEqual([]);
});

test('C1: a moved payment is charged back at the customer who has it, with what it paid there', async () => {
  const books = await paid(149_00n);
  await joins(books, 2n);
  await movePayment(callOf(books), {
    ...{ provider: 'cards', providerRef: 'p-1', from: 1n, to: 2n },
  });
  await buys(books, 2n);
  await expect(chargesBack(books)).rejects.toMatchObject({ code: 'no_payment' });
  expect(await chargesBack(books, { telegramId: 2n })).toMatchObject({
    periods_ended: 1,
    taken: '149.00',
  });
  expect((await subscriptionsOf(books, 2n))[0]?.state).toBe('expired');
  expect(await wrongs(books)).toEqual([]);
});

test('C1: a payment that came back paid the claim, and its chargeback brings the claim back', async () => {
  const books = await paid(149_00n);
  await joins(books, 2n);
  await buys(books, 1n);
  const payment = { provider: 'cards', providerRef: 'p-1' };
  await movePayment(callOf(books), { ...payment, from: 1n, to: 2n, withClaim: true });
  await movePayment(callOf(books), { ...payment, from: 2n, to: 1n });
  expect(await chargesBack(books)).toMatchObject({ periods_ended: 0, claim: '149.00' });
  expect((await subscriptionsOf(books))[0]?.state).toBe('active');
  expect(await wrongs(books)).toEqual([]);
});

test('C1: one dispute id of two providers is two disputes', async () => {
  const books = await paid(10_00n);
  await topUp(callOf(books), {
    ...{ telegramId: 1n, amountMinor: 10_00n, provider: 'crypto', providerRef: 'p-1' },
  });
  await chargesBack(books);
  await chargesBack(books, { provider: 'crypto' });
  expect(await wrongs(books)).toEqual([]);
});

test.each([0, 1, 2, 3])(
  'C1: a chargeback at the same time as the renewal leaves one sound result (try %i)',
  async () => {
    const books = await paid(149_00n);
    await buys(books, 1n);
    await pays(books, 'p-2', 149_00n);
    await books.setClock('2026-11-30T20:00:00Z');
    const [answer] = await Promise.all([
      chargesBack(books, { providerRef: 'p-2' }),
      runOf(books, 'auto-renewal'),
    ]);
    expect(answer).toMatchObject({ taken: '149.00', claim: '0.00', balance: '0.00' });
    const [subscription] = await subscriptionsOf(books);
    expect(subscription?.expires_at).toBe('2026-12-01T00:00:00.000Z');
    expect(await wrongs(books)).toEqual([]);
  },
);

test('C1: one dispute that is entered many times at once is entered once', async () => {
  const books = await paid(149_00n);
  await paysIn(books, 1n, 1_000_00n);
  const asked = await Promise.allSettled(
    Array.from({ length: 6 }, (_, at) => chargesBack(books, { dispute: `d-${at % 2}` })),
  );
  expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect((await portraitOf(books.db, 1n, 0)).customer.balance).toBe('1000.00');
  expect(await wrongs(books)).toEqual([]);
});
