import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { adjust, topUp } from '../../src/subscription/balance.ts';
import { type Chargeback, chargeback } from '../../src/subscription/chargeback.ts';
import { movePayment, type PaymentMove } from '../../src/subscription/move-payment.ts';
import { portraitOf } from '../../src/subscription/portrait.ts';
import { previewOf } from '../../src/subscription/preview.ts';
import { waiveClaim } from '../../src/subscription/waive-claim.ts';
import { buys, callOf, joins } from '../a-book.ts';
import type { Books } from '../books.ts';
import { exportText, importText } from '../transfer.ts';
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

test('C1: a claim is waived in part and whole, with a reason in the timeline, and top-ups pay the rest', async () => {
  const books = await paidMonth();
  const waives = (amountMinor?: bigint, key?: string) =>
    waiveClaim(callOf(books, key), {
      ...{ telegramId: 1n, reason: 'paid in cash' },
      ...(amountMinor === undefined ? {} : { amountMinor }),
    });
  await expect(waives()).rejects.toMatchObject({ code: 'no_claim' });
  await chargesBack(books);
  for (const wrong of [0n, -1n, 49_68n]) {
    await expect(waives(wrong)).rejects.toMatchObject({ code: 'bad_amount' });
  }
  const first = await waives(20_00n, 'k');
  expect(first).toMatchObject({ amount: '20.00', claim: '29.67', balance: '0.00' });
  expect(await waives(20_00n, 'k')).toEqual(first);
  await pays(books, 'p-2', 10_00n);
  expect(await waives()).toMatchObject({ amount: '19.67', claim: '0.00' });
  await pays(books, 'p-3', 10_00n);
  expect(await moneyOf(books)).toMatchObject({ balance: '10.00', claim: '0.00' });
  const { events } = await portraitOf(books.db, 1n, 2);
  expect(events[1]).toMatchObject({ action: 'claim_waived', detail: { reason: 'paid in cash' } });
  expect(await wrongs(books)).toEqual([]);
});

test('C1: an export and an import keep the claim, and a top-up pays it first', async () => {
  const books = await paidMonth();
  await chargesBack(books);
  const text = await exportText(books.url);
  const other = await shop();
  expect(await importText(other.url, text)).toMatchObject({ outcome: 'imported' });
  expect(await moneyOf(other)).toMatchObject({ claim: '49.67', entries: ['adjustment 0.00'] });
  expect(await exportText(other.url)).toBe(text);
  await pays(other, 'p-2', 50_00n);
  expect(await moneyOf(other)).toMatchObject({ balance: '0.33', claim: '0.00' });
  expect(await wrongs(other)).toEqual([]);
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

const takesBack = (books: Books, amountMinor: bigint) =>
  adjust(callOf(books), { telegramId: 1n, amountMinor, reason: 'wrong customer' });

test('C3: a payment that was taken back by hand is credited to the right customer by a top-up', async () => {
  const books = await shop();
  await joins(books, 1n);
  await joins(books, 2n);
  await pays(books, 'p-1', 100_00n);
  await expect(pays(books, 'p-1', 100_00n, 2n)).rejects.toMatchObject({ code: 'payment_known' });
  await takesBack(books, -100_00n);
  await expect(pays(books, 'p-1', 100_00n)).rejects.toMatchObject({ code: 'payment_known' });
  await expect(pays(books, 'p-1', 99_00n, 2n)).rejects.toMatchObject({ code: 'payment_known' });
  await pays(books, 'p-1', 100_00n, 2n);
  for (const telegramId of [1n, 2n]) {
    const { events } = await portraitOf(books.db, telegramId, 2);
    expect(events.map(({ action }) => action)).toContain('payment_moved');
  }
  await expect(pays(books, 'p-1', 100_00n, 2n)).rejects.toMatchObject({ code: 'payment_known' });
  await expect(moves(books)).rejects.toMatchObject({ code: 'no_payment' });
  expect(await chargesBack(books, { telegramId: 2n })).toMatchObject({ taken: '100.00' });
  expect(await wrongs(books)).toEqual([]);
});

test.each([
  ['two adjustments of this amount', [-100_00n, -100_00n]],
  ['an adjustment of another amount', [-100_01n]],
])('C3: with %s a top-up does not guess which one took the payment back', async (_, amounts) => {
  const books = await shop();
  await joins(books, 1n);
  await joins(books, 2n);
  await pays(books, 'p-0', 100_00n);
  await pays(books, 'p-1', 100_00n);
  for (const amount of amounts) await takesBack(books, amount);
  await expect(pays(books, 'p-1', 100_00n, 2n)).rejects.toMatchObject({ code: 'payment_known' });
});

test('C3: of two customers at once one gets a payment that was taken back', async () => {
  const books = await shop();
  for (const telegramId of [1n, 2n, 3n]) await joins(books, telegramId);
  await pays(books, 'p-1', 100_00n);
  await takesBack(books, -100_00n);
  const asked = await Promise.allSettled([
    pays(books, 'p-1', 100_00n, 2n),
    pays(books, 'p-1', 100_00n, 3n),
    chargesBack(books),
  ]);
  expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const codes = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
  expect(codes.every((code) => ['payment_known', 'no_payment'].includes(code))).toBe(true);
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
