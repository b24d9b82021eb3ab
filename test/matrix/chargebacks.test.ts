import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { adjust, topUp } from '../../src/subscription/balance.ts';
import { type Chargeback, chargeback } from '../../src/subscription/chargeback.ts';
import { movePayment, type PaymentMove } from '../../src/subscription/move-payment.ts';
import { portraitOf } from '../../src/subscription/portrait.ts';
import { previewOf } from '../../src/subscription/preview.ts';
import { buys, callOf, joins } from '../a-book.ts';
import type { Books } from '../books.ts';
import { shop, standOf, wrongs } from './sold-terms.ts';

// Chargebacks, claims, and payments that move to the right customer.

const pays = (books: Books, providerRef: string, amountMinor: bigint, telegramId = 1n) =>
  topUp(callOf(books), { telegramId, amountMinor, provider: 'cards', providerRef });

const chargesBack = (books: Books, more: Partial<Chargeback> = {}) => {
  const named = { telegramId: 1n, provider: 'cards', providerRef: 'p-1', dispute: 'd-1' };
  return chargeback(callOf(books), { ...named, ...more });
};

const moves = (books: Books, more: Partial<PaymentMove> = {}) => {
  const named = { provider: 'cards', providerRef: 'p-1', from: 1n, to: 2n };
  return movePayment(callOf(books), { ...named, ...more });
};

const moneyOf = async ({ db }: Books, telegramId = 1n) => {
  const { customer, ledger } = await portraitOf(db, telegramId, 20);
  const entries = ledger.map(({ kind, amount }) => `${kind} ${amount}`).toReversed();
  return { balance: customer.balance, claim: customer.claim, entries };
};

const setsMoney = ({ db }: Books, claims: boolean) => {
  const money = JSON.stringify({ top_up_max: '100000', claims });
  return sql`INSERT INTO perennial.setting (key, value) VALUES ('money', ${money})`.execute(db);
};

/** A month of basic that the payment `p-1` paid, ten days ago. */
async function paidMonth(): Promise<Books> {
  const books = await shop();
  await joins(books, 1n);
  await pays(books, 'p-1', 149_00n);
  await buys(books, 1n);
  await books.setClock('2026-11-11T00:00:00Z');
  return books;
}

test('C1: a payment and its dispute are entered once, in whatever spelling of the provider', async () => {
  const books = await paidMonth();
  const again = { telegramId: 1n, amountMinor: 149_00n, provider: 'Cards', providerRef: 'p-1' };
  await expect(topUp(callOf(books), again)).rejects.toMatchObject({ code: 'payment_known' });
  expect(await chargesBack(books, { provider: 'CARDS' })).toMatchObject({ provider: 'cards' });
  const dispute = { provider: 'card-s', providerRef: 'p-2' };
  await expect(chargesBack(books, dispute)).rejects.toMatchObject({ code: 'dispute_known' });
  expect(await wrongs(books)).toEqual([]);
});

test('C1: a chargeback ends the unused part, and the served part becomes a claim that top-ups pay first', async () => {
  const books = await paidMonth();
  const answer = await chargesBack(books);
  expect(answer).toMatchObject({
    amount: '149.00',
    periods_ended: 1,
    returned: '99.33',
    taken: '99.33',
    claim: '49.67',
    balance: '0.00',
  });
  expect(await standOf(books)).toMatchObject({ state: 'expired', auto_renew: false });
  await pays(books, 'p-2', 20_00n);
  await pays(books, 'p-3', 50_00n);
  const { balance, claim, entries } = await moneyOf(books);
  expect([balance, claim]).toEqual(['20.33', '0.00']);
  expect(entries.slice(2)).toEqual([
    'refund 99.33',
    'chargeback -99.33',
    'top_up 20.00',
    'claim -20.00',
    'top_up 50.00',
    'claim -29.67',
  ]);
  expect(await wrongs(books)).toEqual([]);
});

test('C1: a dispute is entered once, and a payment is reversed once', async () => {
  const books = await paidMonth();
  await pays(books, 'p-2', 10_00n);
  await chargesBack(books);
  await expect(chargesBack(books)).rejects.toMatchObject({ code: 'dispute_known' });
  const same = { providerRef: 'p-2' };
  await expect(chargesBack(books, same)).rejects.toMatchObject({ code: 'dispute_known' });
  const again = { dispute: 'd-2' };
  await expect(chargesBack(books, again)).rejects.toMatchObject({ code: 'payment_reversed' });
  await expect(pays(books, 'p-1', 149_00n)).rejects.toMatchObject({ code: 'payment_known' });
  const unknown = { providerRef: 'p-9', dispute: 'd-9' };
  await expect(chargesBack(books, unknown)).rejects.toMatchObject({ code: 'no_payment' });
});

test('C1: with `money.claims: off` no claim arises, and top-ups pay none', async () => {
  const books = await paidMonth();
  await setsMoney(books, false);
  await chargesBack(books);
  await pays(books, 'p-2', 20_00n);
  expect(await moneyOf(books)).toMatchObject({ balance: '20.00', claim: '0.00' });
  expect(await wrongs(books)).toEqual([]);
});

test('C1: of two payments the newest paid the period, and the other one only leaves the balance', async () => {
  const books = await shop();
  await joins(books, 1n);
  await pays(books, 'old', 149_00n);
  await pays(books, 'new', 149_00n);
  await buys(books, 1n);
  const old = await chargesBack(books, { providerRef: 'old' });
  expect(old).toMatchObject({ periods_ended: 0, taken: '149.00', claim: '0.00' });
  expect(await standOf(books)).toMatchObject({ state: 'active', auto_renew: true });
  const young = await chargesBack(books, { providerRef: 'new', dispute: 'd-2' });
  expect(young).toMatchObject({ periods_ended: 1, taken: '149.00', claim: '0.00' });
  expect(await wrongs(books)).toEqual([]);
});

test('C1: a period in the middle ends, and the period behind it starts earlier', async () => {
  const books = await paidMonth();
  await pays(books, 'p-2', 149_00n);
  await buys(books, 1n);
  await chargesBack(books);
  const { state, expires_at } = await standOf(books);
  expect([state, expires_at]).toEqual(['active', '2026-12-11T00:00:00.000Z']);
  expect(await wrongs(books)).toEqual([]);
});

test('C1: a preview states the same answer and changes nothing', async () => {
  const books = await paidMonth();
  const before = await moneyOf(books);
  const named = { telegramId: 1n, provider: 'cards', providerRef: 'p-1', dispute: 'd-1' };
  const preview = await previewOf(callOf(books, 'k'), (call) => chargeback(call, named));
  expect(preview).toMatchObject({ dry_run: true, claim: '49.67' });
  expect(await moneyOf(books)).toEqual(before);
  const { ledger_entry_id: _, dry_run: __, ...told } = preview;
  expect(await chargesBack(books)).toMatchObject(told);
});

test('C3: a payment moves under its own reference, and both timelines name the move', async () => {
  const books = await shop();
  await joins(books, 1n);
  await joins(books, 2n);
  await pays(books, 'p-1', 100_00n);
  expect(await moves(books)).toMatchObject({ from_balance: '0.00', to_balance: '100.00' });
  expect((await moneyOf(books, 1n)).entries).toEqual(['top_up 100.00', 'adjustment -100.00']);
  expect((await moneyOf(books, 2n)).entries).toEqual(['top_up 100.00']);
  for (const telegramId of [1n, 2n]) {
    const { events } = await portraitOf(books.db, telegramId, 1);
    expect(events[0]).toMatchObject({ action: 'payment_moved', detail: { from: 1, to: 2 } });
  }
  await expect(pays(books, 'p-1', 100_00n)).rejects.toMatchObject({ code: 'payment_known' });
  await expect(moves(books)).rejects.toMatchObject({ code: 'no_payment' });
  expect(await chargesBack(books, { telegramId: 2n })).toMatchObject({ taken: '100.00' });
  await expect(moves(books, { from: 2n, to: 1n })).rejects.toMatchObject({
    code: 'payment_reversed',
  });
  expect(await wrongs(books)).toEqual([]);
});

test('C3: a payment that was taken back by hand moves by naming that adjustment', async () => {
  const books = await shop();
  await joins(books, 1n);
  await joins(books, 2n);
  await pays(books, 'p-1', 100_00n);
  const request = { telegramId: 1n, amountMinor: -100_00n, reason: 'wrong customer' };
  const { ledger_entry_id } = await adjust(callOf(books), request);
  await expect(moves(books)).rejects.toMatchObject({ code: 'short_balance' });
  const adjustmentId = BigInt(ledger_entry_id) as NonNullable<PaymentMove['adjustmentId']>;
  expect(await moves(books, { adjustmentId })).toMatchObject({ to_balance: '100.00' });
  expect((await moneyOf(books, 1n)).balance).toBe('0.00');
  const back = { from: 2n, to: 1n, adjustmentId };
  await expect(moves(books, back)).rejects.toMatchObject({ code: 'no_adjustment' });
  expect(await wrongs(books)).toEqual([]);
});

test('C3: a payment that is spent moves only with a claim', async () => {
  const books = await shop();
  await joins(books, 1n);
  await joins(books, 2n);
  await joins(books, 3n, { currency: 'USD' });
  await pays(books, 'p-1', 149_00n);
  await buys(books, 1n);
  await expect(moves(books)).rejects.toMatchObject({ code: 'short_balance' });
  await expect(moves(books, { to: 3n })).rejects.toMatchObject({ code: 'other_currency' });
  const moved = await moves(books, { withClaim: true });
  expect(moved).toMatchObject({ from_claim: '149.00', to_balance: '149.00' });
  expect(await wrongs(books)).toEqual([]);
});

test('C3: moves in both directions at once end without a deadlock', async () => {
  const books = await shop();
  await joins(books, 1n);
  await joins(books, 2n);
  const refs = ['a', 'b', 'c', 'd'];
  for (const ref of refs) {
    await pays(books, `1-${ref}`, 1_00n, 1n);
    await pays(books, `2-${ref}`, 1_00n, 2n);
  }
  await Promise.all(
    refs.flatMap((ref) => [
      moves(books, { providerRef: `1-${ref}` }),
      moves(books, { providerRef: `2-${ref}`, from: 2n, to: 1n }),
    ]),
  );
  expect((await moneyOf(books, 1n)).balance).toBe('4.00');
  expect((await moneyOf(books, 2n)).balance).toBe('4.00');
  expect(await wrongs(books)).toEqual([]);
});
