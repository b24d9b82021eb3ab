import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { PeriodId, SubscriptionId } from '../../../../src/kernel/ids.ts';
import { adjustBalance } from '../../../../src/subscription/commands/adjust.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { purchase } from '../../../../src/subscription/commands/purchase.ts';
import { refund } from '../../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import { readCustomerView } from '../../../../src/subscription/queries/customer-view.ts';
import { quotePurchase } from '../../../../src/subscription/queries/quote.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { expectFault } from '../../../support/faults.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createSubscriber,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';
import {
  createTermsShop,
  readAuditViolations,
  readSubscriptionView,
  refundPeriod,
} from '../../../support/terms-shop.ts';

// Payouts, payments for a purchase, and payments within the days of revival.

const readBalance = async ({ db }: TestDatabase, telegramId = 1n): Promise<string> =>
  (await readCustomerView(db, telegramId, 0)).customer.balance;

async function readEntryKinds({ db }: TestDatabase, telegramId = 1n): Promise<string[]> {
  const { ledger } = await readCustomerView(db, telegramId, 20);
  return ledger.map(({ kind, amount }) => `${kind} ${amount}`).toReversed();
}

const readSecondSubscription = async ({ db }: TestDatabase) => {
  const { subscriptions } = await readCustomerView(db, 1n, 0);
  return { subscriptionId: BigInt(subscriptions[1]?.id ?? 0) as SubscriptionId };
};

const readSecondPeriodId = async ({ db }: TestDatabase): Promise<PeriodId> => {
  const { subscriptions } = await readCustomerView(db, 1n, 0);
  return BigInt(subscriptions[1]?.periods[0]?.id ?? 0) as PeriodId;
};

test('C2: a refund with a payout leaves the balance in its transaction, and auto-renewal spends none of it', async () => {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 149_00n);
  await buyPlan(database, 1n, { isNew: true });
  await database.setClock('2026-11-30T23:00:00Z');
  const periodId = await readSecondPeriodId(database);
  const answer = await refundPeriod(database, periodId, 'whole', { payout: true });
  expect(answer).toMatchObject({ amount: '149.00', paid_out: '149.00', balance: '0.00' });
  const run = await runWorker(database, 'auto-renewal');
  expect(run.detail).toMatchObject({ renewed: 0 });
  expect((await readEntryKinds(database)).slice(-2)).toEqual(['refund 149.00', 'payout -149.00']);
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C2: a payout wakes no subscription that waits for money', async () => {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 149_00n);
  await buyPlan(database, 1n, { isNew: true });
  await runWorkerAt(database, '2026-11-30T23:00:00Z', 'auto-renewal');
  const waiting = await sql<{ n: bigint }>`
    SELECT count(*) AS n FROM perennial.subscription WHERE next_try_at IS NOT NULL`.execute(
    database.db,
  );
  const periodId = await readSecondPeriodId(database);
  await refundPeriod(database, periodId, 'unused', { payout: true });
  const after = await sql<{ n: bigint }>`
    SELECT count(*) AS n FROM perennial.subscription WHERE next_try_at IS NOT NULL`.execute(
    database.db,
  );
  expect([waiting.rows[0]?.n, after.rows[0]?.n]).toEqual([2n, 2n]);
});

/** Basic ends within the window, and a second subscription is refunded an hour before that. */
async function createRefundedOther(more: { keepAutoRenew?: boolean } = {}): Promise<TestDatabase> {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 149_00n);
  await buyPlan(database, 1n, { isNew: true });
  await database.setClock('2026-11-30T22:30:00Z');
  const periodId = await readSecondPeriodId(database);
  await refundPeriod(database, periodId, 'whole', { ...more });
  return database;
}

test('C2: no other renewal spends a refund before the operator can take it off the balance', async () => {
  const database = await createRefundedOther();
  expect((await runWorker(database, 'auto-renewal')).changed).toBe(0n);
  await adjustBalance(createCaller(database), {
    telegramId: 1n,
    amountMinor: -149_00n,
    reason: 'charged back',
  });
  expect(await readBalance(database)).toBe('0.00');
});

test.each([
  ['an hour later by auto-renewal', 'auto-renewal', '2026-11-30T23:30:00Z'],
  ['at the end by expiry', 'fast-expiry-cleanup', '2026-12-01T00:00:00Z'],
])(
  'C2: a refund that stays on the balance pays for the other renewal %s',
  async (_, worker, at) => {
    const database = await createRefundedOther();
    await runWorkerAt(database, at, worker);
    expect(await readSubscriptionView(database)).toMatchObject({ state: 'active' });
    expect(await readBalance(database)).toBe('0.00');
    expect(await readAuditViolations(database)).toEqual([]);
  },
);

test('C2: a refund that keeps auto-renewal on, and a top-up after a refund, renew at once', async () => {
  const keptRenewal = await createRefundedOther({ keepAutoRenew: true });
  expect((await runWorker(keptRenewal, 'auto-renewal')).changed).toBe(1n);
  const paid = await createRefundedOther();
  await addBalance(paid, 1n, 1_00n);
  expect((await runWorker(paid, 'auto-renewal')).changed).toBe(1n);
});

test.each(['whole', 'unused'] as const)(
  'C2: a refund (%s) revives no other subscription, also by a revocation',
  async (part) => {
    const database = await createEnded();
    await addBalance(database, 1n, 299_00n);
    await buyPlan(database, 1n, { plan: 'plus', isNew: true });
    await runWorker(database, 'auto-renewal');
    await revoke(createCaller(database), {
      ...{ telegramId: 1n, reason: 'x' },
      ...(await readSecondSubscription(database)),
      refund: part,
    });
    expect((await runWorker(database, 'auto-renewal')).changed).toBe(0n);
    expect(await readBalance(database)).toBe('299.00');
  },
);

test('C2: a payout of a period without a charge is refused and changes nothing', async () => {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 0n);
  await grant(createCaller(database), { telegramId: 1n, days: 3 });
  const { periods } = await readSubscriptionView(database);
  const periodId = BigInt(periods.at(-1)?.id ?? 0) as PeriodId;
  const request = { telegramId: 1n, periodId, part: 'whole', payout: true } as const;
  await expectFault(refund(createCaller(database), request), 'no_payout');
  expect(
    (await readSubscriptionView(database)).periods.every(({ refunded_at }) => refunded_at === null),
  ).toBe(true);
});

const createPayment = (ref: string, amountMinor = 299_00n) => ({
  amountMinor,
  provider: 'cards',
  providerRef: ref,
});

/** Basic expired five days ago because the balance was too low. */
async function createEnded(): Promise<TestDatabase> {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 0n);
  await runWorkerAt(database, '2026-12-01T00:00:00Z', 'fast-expiry-cleanup');
  await database.setClock('2026-12-06T00:00:00Z');
  return database;
}

test('C5: a purchase with its payment is one transaction, and no revival spends the payment first', async () => {
  const database = await createEnded();
  const order = { telegramId: 1n, plan: 'plus', periodDays: 30, payment: createPayment('p-1') };
  const sold = await purchase(createCaller(database), order);
  expect(sold).toMatchObject({ action: 'revived', plan: 'plus', balance: '0.00' });
  const run = await runWorker(database, 'auto-renewal');
  expect(run.changed).toBe(0n);
  expect((await readEntryKinds(database)).slice(-2)).toEqual(['top_up 299.00', 'purchase -299.00']);
  await expectFault(purchase(createCaller(database), order), 'payment_known');
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C5: a purchase that is refused credits no payment', async () => {
  const database = await createEnded();
  const order = { telegramId: 1n, plan: 'plus', periodDays: 30 };
  const short = { ...order, payment: createPayment('p-1', 298_99n) };
  await expectFault(purchase(createCaller(database), short), 'short_balance');
  const other = { ...order, payment: { ...createPayment('p-1'), currency: 'USD' } };
  await expectFault(purchase(createCaller(database), other), 'other_currency');
  expect(await readBalance(database)).toBe('0.00');
  await purchase(createCaller(database), { ...order, payment: createPayment('p-1', 300_00n) });
  expect(await readBalance(database)).toBe('1.00');
});

test('C5: the rest of the payment pays for the other subscriptions at once', async () => {
  const database = await createEnded();
  const order = { telegramId: 1n, plan: 'mini', periodDays: 30, isNew: true };
  await purchase(createCaller(database), { ...order, payment: createPayment('p-1', 159_00n) });
  await runWorker(database, 'auto-renewal');
  expect(await readSubscriptionView(database)).toMatchObject({ state: 'active', plan: 'basic' });
});

/** The bot credits the payment, a run revives basic with it, and then the purchase arrives. */
async function createRevived(paidMinor: bigint, minutesLater = 0): Promise<TestDatabase> {
  const database = await createEnded();
  await addBalance(database, 1n, paidMinor);
  await runWorker(database, 'auto-renewal');
  expect((await readSubscriptionView(database)).state).toBe('active');
  await database.setClock(`2026-12-06T00:${String(minutesLater).padStart(2, '0')}:00Z`);
  return database;
}

const plusRequest = { telegramId: 1n, plan: 'plus', periodDays: 30 } as const;

test.each([
  ['covers only the purchase', 299_00n, '0.00'],
  ['covers the purchase and the revival', 500_00n, '201.00'],
])('C5: a purchase undoes a revival that came first, if the payment %s', async (_, paid, left) => {
  const database = await createRevived(paid, 10);
  expect(await quotePurchase(database.db, plusRequest)).toMatchObject({
    missing: '0.00',
    credited: '149.00',
    action: 'revived',
  });
  const sold = await purchase(createCaller(database), { ...plusRequest, quotedMinor: 299_00n });
  expect(sold).toMatchObject({ action: 'revived', balance: left });
  expect(await readSubscriptionView(database)).toMatchObject({
    plan: 'plus',
    state: 'active',
    auto_renew: true,
  });
  expect((await readEntryKinds(database)).slice(-3)).toEqual([
    'renewal -149.00',
    'refund 149.00',
    'purchase -299.00',
  ]);
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C5: a revival stays if its payment came over 10 minutes before, or if its money is not enough', async () => {
  const late = await createRevived(299_00n, 11);
  await expectFault(purchase(createCaller(late), plusRequest), 'other_plan');
  const poor = await createRevived(298_99n);
  const another = { ...plusRequest, isNew: true };
  await expectFault(purchase(createCaller(poor), another), 'short_balance');
  expect(await readSubscriptionView(poor)).toMatchObject({ state: 'active', plan: 'basic' });
});

test('C5: a purchase of another subscription ends the revived one again, until the next payment', async () => {
  const database = await createRevived(299_00n, 1);
  await purchase(createCaller(database), { ...plusRequest, isNew: true });
  expect(await readSubscriptionView(database)).toMatchObject({
    state: 'expired',
    auto_renew: true,
  });
  expect((await runWorker(database, 'auto-renewal')).changed).toBe(0n);
  expect(await readAuditViolations(database)).toEqual([]);
  await addBalance(database, 1n, 149_00n);
  expect((await runWorker(database, 'auto-renewal')).changed).toBe(1n);
});

test('C5: a renewal in time is never undone', async () => {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 149_00n);
  await runWorkerAt(database, '2026-11-30T20:00:00Z', 'auto-renewal');
  const another = { ...plusRequest, isNew: true };
  await expectFault(purchase(createCaller(database), another), 'short_balance');
});

test.each([
  ['within the 7 days, with a later run', '2026-12-07T23:59:00Z', '2026-12-20T00:00:00Z', 'active'],
  ['at the last moment', '2026-12-08T00:00:00Z', '2026-12-08T09:00:00Z', 'active'],
  ['after the 7 days', '2026-12-08T00:00:00.001Z', '2026-12-08T00:00:00.001Z', 'expired'],
])(
  'C6: the time of the payment decides about a revival: %s',
  async (_, paidAt, lookedAt, state) => {
    const database = await createEnded();
    await database.setClock(paidAt);
    await addBalance(database, 1n, 149_00n);
    await runWorkerAt(database, lookedAt, 'auto-renewal');
    expect((await readSubscriptionView(database)).state).toBe(state);
  },
);

test('C6: a payment before the end of the days does not let a later one revive', async () => {
  const database = await createEnded();
  await addBalance(database, 1n, 1_00n);
  await runWorker(database, 'auto-renewal');
  await database.setClock('2026-12-09T00:00:00Z');
  await addBalance(database, 1n, 148_00n);
  await runWorker(database, 'auto-renewal');
  expect((await readSubscriptionView(database)).state).toBe('expired');
});

test.each([
  ['a short payment in time and the rest after it', 100_00n, 49_00n, 'expired', '149.00'],
  ['a payment in time and another one after it', 149_00n, 10_00n, 'active', '10.00'],
  ['no payment in time', 0n, 149_00n, 'expired', '149.00'],
])('C6: a run after the 7 days counts %s', async (_, inTime, after, state, balance) => {
  const database = await createEnded();
  if (inTime > 0n) await addBalance(database, 1n, inTime);
  await database.setClock('2026-12-09T00:00:00Z');
  await addBalance(database, 1n, after);
  await runWorker(database, 'auto-renewal');
  expect((await readSubscriptionView(database)).state).toBe(state);
  expect(await readBalance(database)).toBe(balance);
});

test('C6: money that arrived in time and was spent since then revives nothing', async () => {
  const database = await createEnded();
  await addBalance(database, 1n, 149_00n);
  await database.setClock('2026-12-09T00:00:00Z');
  await buyPlan(database, 1n, { isNew: true, plan: 'mini' });
  await addBalance(database, 1n, 149_00n);
  await runWorker(database, 'auto-renewal');
  expect((await readSubscriptionView(database)).state).toBe('expired');
});

test('C6: of two ended subscriptions the money in time revives one, although more came later', async () => {
  const database = await createTermsShop();
  await createSubscriber(database, 1n, 10_00n);
  await buyPlan(database, 1n, { isNew: true, plan: 'mini' });
  await runWorkerAt(database, '2026-12-01T00:00:00Z', 'fast-expiry-cleanup');
  await database.setClock('2026-12-06T00:00:00Z');
  await addBalance(database, 1n, 149_00n);
  await database.setClock('2026-12-09T00:00:00Z');
  await addBalance(database, 1n, 149_00n);
  const run = await runWorker(database, 'auto-renewal');
  expect(run.changed).toBe(1n);
  expect(await readBalance(database)).toBe('149.00');
});

test('C6: with `renewal.revive: 0` no payment revives, and a purchase does', async () => {
  const database = await createEnded();
  const off = JSON.stringify({ window_ms: 21_600_000, retry_ms: 3_600_000, revive_ms: 0 });
  await database.query`INSERT INTO perennial.setting (key, value) VALUES ('renewal', ${off})`;
  await addBalance(database, 1n, 500_00n);
  await setAutoRenew(createCaller(database), { telegramId: 1n, on: true });
  await runWorker(database, 'auto-renewal');
  expect((await readSubscriptionView(database)).state).toBe('expired');
  await buyPlan(database, 1n);
  expect((await readSubscriptionView(database)).state).toBe('active');
});

test.each([
  ['RUB', 100_000_00n, 100_000_01n],
  ['JPY', 100_000n, 100_001n],
])('C4: a top-up in %s above the limit needs a confirmation', async (currency, most, over) => {
  const database = await createTermsShop();
  await addCustomer(database, 1n, { currency });
  await addBalance(database, 1n, most);
  const large = { telegramId: 1n, amountMinor: over };
  await expectFault(topUp(createCaller(database), large), 'top_up_too_large');
  await topUp(createCaller(database), { ...large, isConfirmed: true });
});

test('C4: `money.top_up_max` limits top-ups, and not adjustments', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n);
  const money = JSON.stringify({ top_up_max: '50.5', claims: true });
  await database.query`INSERT INTO perennial.setting (key, value) VALUES ('money', ${money})`;
  const large = { telegramId: 1n, amountMinor: 50_51n };
  await expectFault(topUp(createCaller(database), large), 'top_up_too_large');
  await addBalance(database, 1n, 50_50n);
  await adjustBalance(createCaller(database), {
    telegramId: 1n,
    amountMinor: 500_00n,
    reason: 'test',
  });
});

test('C4: a payment in another currency than the customer is refused', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n);
  const payment = { telegramId: 1n, amountMinor: 100n };
  const other = { ...payment, currency: 'USD' };
  await expectFault(topUp(createCaller(database), other), 'other_currency');
  await topUp(createCaller(database), { ...payment, currency: 'RUB' });
  expect(await readBalance(database)).toBe('1.00');
});
