import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { adjust } from '../../src/subscription/balance.ts';
import { setCustomer } from '../../src/subscription/customers.ts';
import { setAutoRenew } from '../../src/subscription/granting.ts';
import { changePlan } from '../../src/subscription/plan-change.ts';
import {
  buys,
  callOf,
  joins,
  payer,
  paysIn,
  runAutoRenewal,
  runOf,
  sells,
  standOf,
  wrongsIn,
} from '../a-book.ts';
import { type Books, freshBooks } from '../books.ts';

// Somebody whose balance is short: nothing is debited, one notice a period, the next try within the
// hour, and at once after whatever lets it be paid.

const start = '2026-11-01T00:00:00Z';
const dueAt = '2026-11-30T20:00:00Z';
const renewed = '2026-12-31T00:00:00Z';

/** One kopeck short of a month of basic, and told so. */
async function shortBooks() {
  const books = await freshBooks({ now: start });
  await sells(books);
  const id = await payer(books, 1n, 148_99n);
  await books.setClock(dueAt);
  expect(await runAutoRenewal(books)).toMatchObject({ outcome: 'success', changed: 0n });
  return { books, id };
}

test('R6: a short balance is not touched, the customer is told once a period, the next try is in an hour', async () => {
  const { books, id } = await shortBooks();
  await using _ = books;
  const waiting = { balance: 148_99, charges: 1, lowBalanceNotices: 1 };
  expect(await standOf(books, id)).toMatchObject({ ...waiting, nextTry: '2026-11-30T21:00:00Z' });

  await books.setClock('2026-11-30T20:59:59.999Z');
  expect(await runAutoRenewal(books)).toMatchObject({ examined: 0n });
  await books.setClock('2026-11-30T21:00:00Z');
  expect(await runAutoRenewal(books)).toMatchObject({ examined: 1n, changed: 0n });
  expect(await standOf(books, id)).toMatchObject({ ...waiting, nextTry: '2026-11-30T22:00:00Z' });

  await books.setClock('2026-11-30T23:20:00Z');
  await runAutoRenewal(books);
  // The last try is at the end itself, not after it.
  expect(await standOf(books, id)).toMatchObject({ ...waiting, nextTry: '2026-12-01T00:00:00Z' });
  expect(await wrongsIn(books.db)).toEqual([]);
});

test('R6: the notice names what is missing and until when', async () => {
  const { books } = await shortBooks();
  await using _ = books;
  const { rows } = await sql`
    SELECT params FROM perennial.notification WHERE kind = 'low_balance'`.execute(books.db);
  const params = { price: '149.00', missing: '0.01', expires_at: '2026-12-01T00:00:00.000Z' };
  expect(rows).toMatchObject([{ params }]);
});

const reliefs: Readonly<Record<string, (books: Books) => Promise<unknown>>> = {
  'a top-up': (books) => paysIn(books, 1n, 1n),
  'a correction': (books) =>
    adjust(callOf(books), { telegramId: 1n, amountMinor: 1n, reason: 'test' }),
  'a discount': (books) => setCustomer(callOf(books), { telegramId: 1n, discountPercent: 1 }),
  VIP: (books) => setCustomer(callOf(books), { telegramId: 1n, vip: true }),
  'a cheaper plan': (books) =>
    changePlan(callOf(books), { telegramId: 1n, plan: 'mini', periodDays: 30, when: 'next' }),
};

test.each(Object.keys(reliefs))(
  'R6: after %s it is renewed at once, not in an hour',
  async (what) => {
    const { books, id } = await shortBooks();
    await using _ = books;
    await reliefs[what]?.(books);
    expect(await runAutoRenewal(books)).toMatchObject({ outcome: 'success', changed: 1n });
    expect(await standOf(books, id)).toMatchObject({ ends: renewed, charges: 2 });
  },
);

test('R6: a top-up in the last minute before the end renews it before it can end', async () => {
  const { books, id } = await shortBooks();
  await using _ = books;
  await books.setClock('2026-11-30T23:59:59.999Z');
  await paysIn(books, 1n, 1n);
  expect(await runAutoRenewal(books)).toMatchObject({ outcome: 'success', changed: 1n });
  await books.setClock('2026-12-01T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  expect(await standOf(books, id)).toMatchObject({ state: 'active', ends: renewed });
});

test('R6: one that expired short comes back with a top-up within 7 days, from then on', async () => {
  const { books, id } = await shortBooks();
  await using _ = books;
  await books.setClock('2026-12-01T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  expect(await standOf(books, id)).toMatchObject({ state: 'expired', nextTry: 'never' });
  await books.setClock('2026-12-08T00:00:00Z');
  await paysIn(books, 1n, 1n);
  await runAutoRenewal(books);
  const back = { state: 'active', ends: '2027-01-07T00:00:00Z', balance: 0, charges: 2 };
  expect(await standOf(books, id)).toMatchObject(back);
  expect(await wrongsIn(books.db)).toEqual([]);
});

test('R6: a millisecond after those 7 days it stays ended, and the money stays', async () => {
  const { books, id } = await shortBooks();
  await using _ = books;
  await books.setClock('2026-12-01T00:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  await books.setClock('2026-12-08T00:00:00.001Z');
  await paysIn(books, 1n, 500_00n);
  await runAutoRenewal(books);
  expect(await standOf(books, id)).toMatchObject({ state: 'expired', balance: 648_99, charges: 1 });
});

test('R6: switching auto-renewal on again tries at once what could be paid meanwhile', async () => {
  const { books, id } = await shortBooks();
  await using _ = books;
  const switched = (on: boolean) => setAutoRenew(callOf(books), { telegramId: 1n, on });
  await switched(false);
  await paysIn(books, 1n, 1n);
  expect(await runAutoRenewal(books)).toMatchObject({ examined: 0n });
  await switched(true);
  expect(await runAutoRenewal(books)).toMatchObject({ changed: 1n });
  expect(await standOf(books, id)).toMatchObject({ ends: renewed, balance: 0 });
});

test('R6: the next period that is short is told of again', async () => {
  const { books, id } = await shortBooks();
  await using _ = books;
  await paysIn(books, 1n, 1n);
  await runAutoRenewal(books);
  await books.setClock('2026-12-30T20:00:00Z');
  await runAutoRenewal(books);
  expect(await standOf(books, id)).toMatchObject({ charges: 2, lowBalanceNotices: 2 });
});

test('R6: the engine never switches auto-renewal off, however often it is short', async () => {
  await using books = await freshBooks({ now: start });
  await sells(books);
  await joins(books, 1n, { balanceMinor: 149_00n });
  await buys(books, 1n);
  for (const now of ['2026-11-30T18:00:00Z', '2026-11-30T23:00:00Z', '2026-12-01T00:00:00Z']) {
    await books.setClock(now);
    await runAutoRenewal(books);
    await runOf(books, 'fast-expiry-cleanup');
  }
  const { rows } = await sql`SELECT state, auto_renew FROM perennial.subscription`.execute(
    books.db,
  );
  expect(rows).toEqual([{ state: 'expired', auto_renew: true }]);
});
