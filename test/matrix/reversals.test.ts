import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { PeriodId, SubscriptionId } from '../../src/kernel/ids.ts';
import { adjust, topUp } from '../../src/subscription/balance.ts';
import { purchase } from '../../src/subscription/buying.ts';
import { grant, revoke, setAutoRenew } from '../../src/subscription/granting.ts';
import { portraitOf } from '../../src/subscription/portrait.ts';
import { quotePurchase } from '../../src/subscription/quote.ts';
import { refund } from '../../src/subscription/refunding.ts';
import { buys, callOf, joins, payer, paysIn, runOf } from '../a-book.ts';
import type { Books } from '../books.ts';
import { shop, standOf, wrongs } from './sold-terms.ts';

// Payouts, payments for a purchase, and payments within the days of revival.

const balanceOf = async ({ db }: Books, telegramId = 1n): Promise<string> =>
  (await portraitOf(db, telegramId, 0)).customer.balance;

async function kindsOf({ db }: Books, telegramId = 1n): Promise<string[]> {
  const { ledger } = await portraitOf(db, telegramId, 20);
  return ledger.map(({ kind, amount }) => `${kind} ${amount}`).toReversed();
}

const second = async ({ db }: Books) => {
  const { subscriptions } = await portraitOf(db, 1n, 0);
  return { subscriptionId: BigInt(subscriptions[1]?.id ?? 0) as SubscriptionId };
};

const secondPeriod = async ({ db }: Books): Promise<PeriodId> => {
  const { subscriptions } = await portraitOf(db, 1n, 0);
  return BigInt(subscriptions[1]?.periods[0]?.id ?? 0) as PeriodId;
};

test('C2: a refund that is paid out leaves the balance in its transaction, and auto-renewal spends none of it', async () => {
  const books = await shop();
  await payer(books, 1n, 149_00n);
  await buys(books, 1n, { isNew: true });
  await books.setClock('2026-11-30T23:00:00Z');
  const periodId = await secondPeriod(books);
  const answer = await refund(callOf(books), {
    telegramId: 1n,
    periodId,
    part: 'whole',
    payout: true,
  });
  expect(answer).toMatchObject({ amount: '149.00', paid_out: '149.00', balance: '0.00' });
  const run = await runOf(books, 'auto-renewal');
  expect(run.detail).toMatchObject({ renewed: 0 });
  expect((await kindsOf(books)).slice(-2)).toEqual(['refund 149.00', 'payout -149.00']);
  expect(await wrongs(books)).toEqual([]);
});

test('C2: a payout wakes no subscription that waits for money', async () => {
  const books = await shop();
  await payer(books, 1n, 149_00n);
  await buys(books, 1n, { isNew: true });
  await books.setClock('2026-11-30T23:00:00Z');
  await runOf(books, 'auto-renewal');
  const waiting = await sql<{ n: bigint }>`
    SELECT count(*) AS n FROM perennial.subscription WHERE next_try_at IS NOT NULL`.execute(
    books.db,
  );
  const periodId = await secondPeriod(books);
  await refund(callOf(books), { telegramId: 1n, periodId, part: 'unused', payout: true });
  const after = await sql<{ n: bigint }>`
    SELECT count(*) AS n FROM perennial.subscription WHERE next_try_at IS NOT NULL`.execute(
    books.db,
  );
  expect([waiting.rows[0]?.n, after.rows[0]?.n]).toEqual([2n, 2n]);
});

/** Basic ends within the window, and a second subscription is refunded an hour before that. */
async function refundedOther(more: { keepAutoRenew?: boolean } = {}): Promise<Books> {
  const books = await shop();
  await payer(books, 1n, 149_00n);
  await buys(books, 1n, { isNew: true });
  await books.setClock('2026-11-30T22:30:00Z');
  const periodId = await secondPeriod(books);
  await refund(callOf(books), { telegramId: 1n, periodId, part: 'whole', ...more });
  return books;
}

test('C2: a refund is not spent by another renewal before the operator can take it off', async () => {
  const books = await refundedOther();
  expect((await runOf(books, 'auto-renewal')).changed).toBe(0n);
  await adjust(callOf(books), { telegramId: 1n, amountMinor: -149_00n, reason: 'charged back' });
  expect(await balanceOf(books)).toBe('0.00');
});

test.each([
  ['an hour later by auto-renewal', 'auto-renewal', '2026-11-30T23:30:00Z'],
  ['at the end by expiry', 'fast-expiry-cleanup', '2026-12-01T00:00:00Z'],
])(
  'C2: a refund that stays on the balance pays for the other renewal %s',
  async (_, worker, at) => {
    const books = await refundedOther();
    await books.setClock(at);
    await runOf(books, worker);
    expect(await standOf(books)).toMatchObject({ state: 'active' });
    expect(await balanceOf(books)).toBe('0.00');
    expect(await wrongs(books)).toEqual([]);
  },
);

test('C2: a refund that keeps auto-renewal on, and a top-up after a refund, renew at once', async () => {
  const kept = await refundedOther({ keepAutoRenew: true });
  expect((await runOf(kept, 'auto-renewal')).changed).toBe(1n);
  const paid = await refundedOther();
  await paysIn(paid, 1n, 1_00n);
  expect((await runOf(paid, 'auto-renewal')).changed).toBe(1n);
});

test.each(['whole', 'unused'] as const)(
  'C2: a refund (%s) revives no other subscription, also by a revocation',
  async (part) => {
    const books = await ended();
    await paysIn(books, 1n, 299_00n);
    await buys(books, 1n, { plan: 'plus', isNew: true });
    await runOf(books, 'auto-renewal');
    await revoke(callOf(books), {
      ...{ telegramId: 1n, reason: 'x' },
      ...(await second(books)),
      refund: part,
    });
    expect((await runOf(books, 'auto-renewal')).changed).toBe(0n);
    expect(await balanceOf(books)).toBe('299.00');
  },
);

test('C2: a period that cost nothing is not paid out, and nothing is changed', async () => {
  const books = await shop();
  await payer(books, 1n, 0n);
  await grant(callOf(books), { telegramId: 1n, days: 3 });
  const { periods } = await standOf(books);
  const periodId = BigInt(periods.at(-1)?.id ?? 0) as PeriodId;
  const request = { telegramId: 1n, periodId, part: 'whole', payout: true } as const;
  await expect(refund(callOf(books), request)).rejects.toMatchObject({ code: 'no_payout' });
  expect((await standOf(books)).periods.every(({ refunded_at }) => refunded_at === null)).toBe(
    true,
  );
});

const paidBy = (ref: string, amountMinor = 299_00n) => ({
  amountMinor,
  provider: 'cards',
  providerRef: ref,
});

/** Basic ended five days ago for lack of money. */
async function ended(): Promise<Books> {
  const books = await shop();
  await payer(books, 1n, 0n);
  await books.setClock('2026-12-01T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  await books.setClock('2026-12-06T00:00:00Z');
  return books;
}

test('C5: a purchase with its payment is one transaction, and no revival spends the payment first', async () => {
  const books = await ended();
  const order = { telegramId: 1n, plan: 'plus', periodDays: 30, payment: paidBy('p-1') };
  const sold = await purchase(callOf(books), order);
  expect(sold).toMatchObject({ action: 'revived', plan: 'plus', balance: '0.00' });
  const run = await runOf(books, 'auto-renewal');
  expect(run.changed).toBe(0n);
  expect((await kindsOf(books)).slice(-2)).toEqual(['top_up 299.00', 'purchase -299.00']);
  await expect(purchase(callOf(books), order)).rejects.toMatchObject({ code: 'payment_known' });
  expect(await wrongs(books)).toEqual([]);
});

test('C5: a purchase that is refused credits no payment', async () => {
  const books = await ended();
  const order = { telegramId: 1n, plan: 'plus', periodDays: 30 };
  const short = { ...order, payment: paidBy('p-1', 298_99n) };
  await expect(purchase(callOf(books), short)).rejects.toMatchObject({ code: 'short_balance' });
  const other = { ...order, payment: { ...paidBy('p-1'), currency: 'USD' } };
  await expect(purchase(callOf(books), other)).rejects.toMatchObject({ code: 'other_currency' });
  expect(await balanceOf(books)).toBe('0.00');
  await purchase(callOf(books), { ...order, payment: paidBy('p-1', 300_00n) });
  expect(await balanceOf(books)).toBe('1.00');
});

test('C5: what is left of the payment pays for the other subscriptions at once', async () => {
  const books = await ended();
  const order = { telegramId: 1n, plan: 'mini', periodDays: 30, isNew: true };
  await purchase(callOf(books), { ...order, payment: paidBy('p-1', 159_00n) });
  await runOf(books, 'auto-renewal');
  expect(await standOf(books)).toMatchObject({ state: 'active', plan: 'basic' });
});

/** The bot credits the payment, a run revives basic with it, and then the purchase arrives. */
async function revivedBefore(paidMinor: bigint, minutesLater = 0): Promise<Books> {
  const books = await ended();
  await paysIn(books, 1n, paidMinor);
  await runOf(books, 'auto-renewal');
  expect((await standOf(books)).state).toBe('active');
  await books.setClock(`2026-12-06T00:${String(minutesLater).padStart(2, '0')}:00Z`);
  return books;
}

const wantsPlus = { telegramId: 1n, plan: 'plus', periodDays: 30 } as const;

test.each([
  ['covers only the purchase', 299_00n, '0.00'],
  ['covers the purchase and the revival', 500_00n, '201.00'],
])('C5: a purchase undoes a revival that came first, if the payment %s', async (_, paid, left) => {
  const books = await revivedBefore(paid, 10);
  expect(await quotePurchase(books.db, wantsPlus)).toMatchObject({
    missing: '0.00',
    credited: '149.00',
    action: 'revived',
  });
  const sold = await purchase(callOf(books), { ...wantsPlus, quotedMinor: 299_00n });
  expect(sold).toMatchObject({ action: 'revived', balance: left });
  expect(await standOf(books)).toMatchObject({ plan: 'plus', state: 'active', auto_renew: true });
  expect((await kindsOf(books)).slice(-3)).toEqual([
    'renewal -149.00',
    'refund 149.00',
    'purchase -299.00',
  ]);
  expect(await wrongs(books)).toEqual([]);
});

test('C5: a revival stays if its payment came over 10 minutes before, or if its money is not enough', async () => {
  const late = await revivedBefore(299_00n, 11);
  await expect(purchase(callOf(late), wantsPlus)).rejects.toMatchObject({ code: 'other_plan' });
  const poor = await revivedBefore(298_99n);
  const another = { ...wantsPlus, isNew: true };
  await expect(purchase(callOf(poor), another)).rejects.toMatchObject({ code: 'short_balance' });
  expect(await standOf(poor)).toMatchObject({ state: 'active', plan: 'basic' });
});

test('C5: a purchase of another subscription ends the revived one again, until the next payment', async () => {
  const books = await revivedBefore(299_00n, 1);
  await purchase(callOf(books), { ...wantsPlus, isNew: true });
  expect(await standOf(books)).toMatchObject({ state: 'expired', auto_renew: true });
  expect((await runOf(books, 'auto-renewal')).changed).toBe(0n);
  expect(await wrongs(books)).toEqual([]);
  await paysIn(books, 1n, 149_00n);
  expect((await runOf(books, 'auto-renewal')).changed).toBe(1n);
});

test('C5: a renewal in time is never undone', async () => {
  const books = await shop();
  await payer(books, 1n, 149_00n);
  await books.setClock('2026-11-30T20:00:00Z');
  await runOf(books, 'auto-renewal');
  const another = { ...wantsPlus, isNew: true };
  await expect(purchase(callOf(books), another)).rejects.toMatchObject({ code: 'short_balance' });
});

test.each([
  ['within the 7 days, looked at later', '2026-12-07T23:59:00Z', '2026-12-20T00:00:00Z', 'active'],
  ['at the last moment', '2026-12-08T00:00:00Z', '2026-12-08T09:00:00Z', 'active'],
  ['after the 7 days', '2026-12-08T00:00:01Z', '2026-12-08T00:00:01Z', 'expired'],
])(
  'C6: the time of the payment decides about a revival: %s',
  async (_, paidAt, lookedAt, state) => {
    const books = await ended();
    await books.setClock(paidAt);
    await paysIn(books, 1n, 149_00n);
    await books.setClock(lookedAt);
    await runOf(books, 'auto-renewal');
    expect((await standOf(books)).state).toBe(state);
  },
);

test('C6: a payment before the end of the days does not let a later one revive', async () => {
  const books = await ended();
  await paysIn(books, 1n, 1_00n);
  await runOf(books, 'auto-renewal');
  await books.setClock('2026-12-09T00:00:00Z');
  await paysIn(books, 1n, 148_00n);
  await runOf(books, 'auto-renewal');
  expect((await standOf(books)).state).toBe('expired');
});

test.each([
  ['a short payment in time and the rest after it', 100_00n, 49_00n, 'expired', '149.00'],
  ['a payment in time and another one after it', 149_00n, 10_00n, 'active', '10.00'],
  ['no payment in time', 0n, 149_00n, 'expired', '149.00'],
])('C6: a run after the 7 days counts %s', async (_, inTime, after, state, balance) => {
  const books = await ended();
  if (inTime > 0n) await paysIn(books, 1n, inTime);
  await books.setClock('2026-12-09T00:00:00Z');
  await paysIn(books, 1n, after);
  await runOf(books, 'auto-renewal');
  expect((await standOf(books)).state).toBe(state);
  expect(await balanceOf(books)).toBe(balance);
});

test('C6: money that came in time and was spent since revives nothing', async () => {
  const books = await ended();
  await paysIn(books, 1n, 149_00n);
  await books.setClock('2026-12-09T00:00:00Z');
  await buys(books, 1n, { isNew: true, plan: 'mini' });
  await paysIn(books, 1n, 149_00n);
  await runOf(books, 'auto-renewal');
  expect((await standOf(books)).state).toBe('expired');
});

test('C6: of two ended subscriptions the money in time revives one, although more came later', async () => {
  const books = await shop();
  await payer(books, 1n, 10_00n);
  await buys(books, 1n, { isNew: true, plan: 'mini' });
  await books.setClock('2026-12-01T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  await books.setClock('2026-12-06T00:00:00Z');
  await paysIn(books, 1n, 149_00n);
  await books.setClock('2026-12-09T00:00:00Z');
  await paysIn(books, 1n, 149_00n);
  const run = await runOf(books, 'auto-renewal');
  expect(run.changed).toBe(1n);
  expect(await balanceOf(books)).toBe('149.00');
});

test('C6: with `renewal.revive: 0` no payment revives, and a purchase does', async () => {
  const books = await ended();
  const off = JSON.stringify({ window_ms: 21_600_000, retry_ms: 3_600_000, revive_ms: 0 });
  await sql`INSERT INTO perennial.setting (key, value) VALUES ('renewal', ${off})`.execute(
    books.db,
  );
  await paysIn(books, 1n, 500_00n);
  await setAutoRenew(callOf(books), { telegramId: 1n, on: true });
  await runOf(books, 'auto-renewal');
  expect((await standOf(books)).state).toBe('expired');
  await buys(books, 1n);
  expect((await standOf(books)).state).toBe('active');
});

test.each([
  ['RUB', 100_000_00n, 100_000_01n],
  ['JPY', 100_000n, 100_001n],
])('C4: a top-up in %s above the limit needs a confirmation', async (currency, most, over) => {
  const books = await shop();
  await joins(books, 1n, { currency });
  await topUp(callOf(books), { telegramId: 1n, amountMinor: most });
  const large = { telegramId: 1n, amountMinor: over };
  await expect(topUp(callOf(books), large)).rejects.toMatchObject({ code: 'top_up_too_large' });
  await topUp(callOf(books), { ...large, isConfirmed: true });
});

test('C4: `money.top_up_max` sets the limit, and a correction by hand has none', async () => {
  const books = await shop();
  await joins(books, 1n);
  const money = JSON.stringify({ top_up_max: '50.5', claims: true });
  await sql`INSERT INTO perennial.setting (key, value) VALUES ('money', ${money})`.execute(
    books.db,
  );
  const large = { telegramId: 1n, amountMinor: 50_51n };
  await expect(topUp(callOf(books), large)).rejects.toMatchObject({ code: 'top_up_too_large' });
  await topUp(callOf(books), { telegramId: 1n, amountMinor: 50_50n });
  await adjust(callOf(books), { telegramId: 1n, amountMinor: 500_00n, reason: 'test' });
});

test('C4: a payment in another currency than the customer is refused', async () => {
  const books = await shop();
  await joins(books, 1n);
  const payment = { telegramId: 1n, amountMinor: 100n };
  const other = { ...payment, currency: 'USD' };
  await expect(topUp(callOf(books), other)).rejects.toMatchObject({ code: 'other_currency' });
  await topUp(callOf(books), { ...payment, currency: 'RUB' });
  expect(await balanceOf(books)).toBe('1.00');
});
