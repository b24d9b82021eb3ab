import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { adjustBalance } from '../../../../src/subscription/commands/adjust.ts';
import { applyChargeback } from '../../../../src/subscription/commands/chargeback.ts';
import type { PaymentMove } from '../../../../src/subscription/commands/move-payment.ts';
import { runPreview } from '../../../../src/subscription/commands/preview.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import { waiveClaim } from '../../../../src/subscription/commands/waive-claim.ts';
import { readCustomerView } from '../../../../src/subscription/queries/customer-view.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { expectFault } from '../../../support/faults.ts';
import { exportText, importText } from '../../../support/import-export.ts';
import { moveToCustomer, payIn, reverseCharge } from '../../../support/payments.ts';
import { addCustomer, buyPlan, createCaller } from '../../../support/shop.ts';
import {
  createTermsShop,
  readAuditViolations,
  readSubscriptionView,
} from '../../../support/terms-shop.ts';

// Chargebacks, claims, and payments that move to the right customer.

const readMoney = async ({ db }: TestDatabase, telegramId = 1n) => {
  const { customer, ledger } = await readCustomerView(db, telegramId, 20);
  const entries = ledger.map(({ kind, amount }) => `${kind} ${amount}`).toReversed();
  return { balance: customer.balance, claim: customer.claim, entries };
};

const setClaims = ({ db }: TestDatabase, claims: boolean) => {
  const money = JSON.stringify({ top_up_max: '100000', claims });
  return sql`INSERT INTO perennial.setting (key, value) VALUES ('money', ${money})`.execute(db);
};

/** A month of basic that the payment `p-1` paid, ten days ago. */
async function createPaidMonth(): Promise<TestDatabase> {
  const database = await createTermsShop();
  await addCustomer(database, 1n);
  await payIn(database, 'p-1', 149_00n);
  await buyPlan(database, 1n);
  await database.setClock('2026-11-11T00:00:00Z');
  return database;
}

test('C1: a payment and its dispute are entered once for all spellings of the provider', async () => {
  const database = await createPaidMonth();
  const again = { telegramId: 1n, amountMinor: 149_00n, provider: 'Cards', providerRef: 'p-1' };
  await expectFault(topUp(createCaller(database), again), 'payment_known');
  expect(await reverseCharge(database, { provider: 'CARDS' })).toMatchObject({ provider: 'cards' });
  const dispute = { provider: 'card-s', providerRef: 'p-2' };
  await expectFault(reverseCharge(database, dispute), 'dispute_known');
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C1: a chargeback ends the unused part, and the served part becomes a claim that top-ups pay first', async () => {
  const database = await createPaidMonth();
  expect(await reverseCharge(database)).toMatchObject({
    amount: '149.00',
    periods_ended: 1,
    returned: '99.33',
    taken: '99.33',
    claim: '49.67',
    balance: '0.00',
  });
  expect(await readSubscriptionView(database)).toMatchObject({
    state: 'expired',
    auto_renew: false,
  });
  await payIn(database, 'p-2', 20_00n);
  await payIn(database, 'p-3', 50_00n);
  const { balance, claim, entries } = await readMoney(database);
  expect([balance, claim]).toEqual(['20.33', '0.00']);
  expect(entries.slice(2)).toEqual([
    'refund 99.33',
    'chargeback -99.33',
    'top_up 20.00',
    'claim -20.00',
    'top_up 50.00',
    'claim -29.67',
  ]);
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C1: a claim is waived in part and whole, with a reason in the events, and top-ups pay the rest', async () => {
  const database = await createPaidMonth();
  const waiveOnce = (amountMinor?: bigint, key?: string) =>
    waiveClaim(createCaller(database, key), {
      ...{ telegramId: 1n, reason: 'paid in cash' },
      ...(amountMinor === undefined ? {} : { amountMinor }),
    });
  await expectFault(waiveOnce(), 'no_claim');
  await reverseCharge(database);
  for (const wrong of [0n, -1n, 49_68n]) {
    await expectFault(waiveOnce(wrong), 'bad_amount');
  }
  const first = await waiveOnce(20_00n, 'k');
  expect(first).toMatchObject({ amount: '20.00', claim: '29.67', balance: '0.00' });
  expect(await waiveOnce(20_00n, 'k')).toEqual(first);
  await payIn(database, 'p-2', 10_00n);
  expect(await waiveOnce()).toMatchObject({ amount: '19.67', claim: '0.00' });
  await payIn(database, 'p-3', 10_00n);
  expect(await readMoney(database)).toMatchObject({ balance: '10.00', claim: '0.00' });
  const { events } = await readCustomerView(database.db, 1n, 2);
  expect(events[1]).toMatchObject({ action: 'claim_waived', detail: { reason: 'paid in cash' } });
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C1: an export and an import keep the claim, and a top-up pays it first', async () => {
  const database = await createPaidMonth();
  await reverseCharge(database);
  const text = await exportText(database.url);
  const other = await createTermsShop();
  expect(await importText(other.url, text)).toMatchObject({ outcome: 'imported' });
  expect(await readMoney(other)).toMatchObject({ claim: '49.67', entries: ['adjustment 0.00'] });
  expect(await exportText(other.url)).toBe(text);
  await payIn(other, 'p-2', 50_00n);
  expect(await readMoney(other)).toMatchObject({ balance: '0.33', claim: '0.00' });
  expect(await readAuditViolations(other)).toEqual([]);
});

test('C1: a dispute is entered once, and a payment is reversed once', async () => {
  const database = await createPaidMonth();
  await payIn(database, 'p-2', 10_00n);
  await reverseCharge(database);
  await expectFault(reverseCharge(database), 'dispute_known');
  const same = { providerRef: 'p-2' };
  await expectFault(reverseCharge(database, same), 'dispute_known');
  const again = { dispute: 'd-2' };
  await expectFault(reverseCharge(database, again), 'payment_reversed');
  await expectFault(payIn(database, 'p-1', 149_00n), 'payment_known');
  const unknown = { providerRef: 'p-9', dispute: 'd-9' };
  await expectFault(reverseCharge(database, unknown), 'no_payment');
});

test('C1: with `money.claims: off` no claim arises, and top-ups pay none', async () => {
  const database = await createPaidMonth();
  await setClaims(database, false);
  await reverseCharge(database);
  await payIn(database, 'p-2', 20_00n);
  expect(await readMoney(database)).toMatchObject({ balance: '20.00', claim: '0.00' });
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C1: of two payments the newest paid the period, and the other one only leaves the balance', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n);
  await payIn(database, 'old', 149_00n);
  await payIn(database, 'new', 149_00n);
  await buyPlan(database, 1n);
  const old = await reverseCharge(database, { providerRef: 'old' });
  expect(old).toMatchObject({ periods_ended: 0, taken: '149.00', claim: '0.00' });
  expect(await readSubscriptionView(database)).toMatchObject({ state: 'active', auto_renew: true });
  const young = await reverseCharge(database, { providerRef: 'new', dispute: 'd-2' });
  expect(young).toMatchObject({ periods_ended: 1, taken: '149.00', claim: '0.00' });
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C1: a period in the middle ends, and the period behind it starts earlier', async () => {
  const database = await createPaidMonth();
  await payIn(database, 'p-2', 149_00n);
  await buyPlan(database, 1n);
  await reverseCharge(database);
  const { state, expires_at } = await readSubscriptionView(database);
  expect([state, expires_at]).toEqual(['active', '2026-12-11T00:00:00.000Z']);
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C1: a preview states the same answer and changes nothing', async () => {
  const database = await createPaidMonth();
  const before = await readMoney(database);
  const named = { telegramId: 1n, provider: 'cards', providerRef: 'p-1', dispute: 'd-1' };
  const preview = await runPreview(createCaller(database, 'k'), (call) =>
    applyChargeback(call, named),
  );
  expect(preview).toMatchObject({ dry_run: true, claim: '49.67' });
  expect(await readMoney(database)).toEqual(before);
  const { ledger_entry_id: _, dry_run: __, ...previewed } = preview;
  expect(await reverseCharge(database)).toMatchObject(previewed);
});

test('C3: a payment moves under its own reference, and the events of both customers name the move', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n);
  await addCustomer(database, 2n);
  await payIn(database, 'p-1', 100_00n);
  expect(await moveToCustomer(database)).toMatchObject({
    from_balance: '0.00',
    to_balance: '100.00',
  });
  expect((await readMoney(database, 1n)).entries).toEqual(['top_up 100.00', 'adjustment -100.00']);
  expect((await readMoney(database, 2n)).entries).toEqual(['top_up 100.00']);
  for (const telegramId of [1n, 2n]) {
    const { events } = await readCustomerView(database.db, telegramId, 1);
    expect(events[0]).toMatchObject({ action: 'payment_moved', detail: { from: 1, to: 2 } });
  }
  await expectFault(payIn(database, 'p-1', 100_00n), 'payment_known');
  await expectFault(moveToCustomer(database), 'no_payment');
  expect(await reverseCharge(database, { telegramId: 2n })).toMatchObject({ taken: '100.00' });
  await expectFault(moveToCustomer(database, { from: 2n, to: 1n }), 'payment_reversed');
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C3: a payment that a person took back moves with the id of that adjustment', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n);
  await addCustomer(database, 2n);
  await payIn(database, 'p-1', 100_00n);
  const request = { telegramId: 1n, amountMinor: -100_00n, reason: 'wrong customer' };
  const { ledger_entry_id } = await adjustBalance(createCaller(database), request);
  await expectFault(moveToCustomer(database), 'short_balance');
  const adjustmentId = BigInt(ledger_entry_id) as NonNullable<PaymentMove['adjustmentId']>;
  expect(await moveToCustomer(database, { adjustmentId })).toMatchObject({ to_balance: '100.00' });
  expect((await readMoney(database, 1n)).balance).toBe('0.00');
  const back = { from: 2n, to: 1n, adjustmentId };
  await expectFault(moveToCustomer(database, back), 'no_adjustment');
  expect(await readAuditViolations(database)).toEqual([]);
});

const adjustDown = (database: TestDatabase, amountMinor: bigint) =>
  adjustBalance(createCaller(database), { telegramId: 1n, amountMinor, reason: 'wrong customer' });

test('C3: a top-up credits a payment that a person took back to the right customer', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n);
  await addCustomer(database, 2n);
  await payIn(database, 'p-1', 100_00n);
  await expectFault(payIn(database, 'p-1', 100_00n, 2n), 'payment_known');
  await adjustDown(database, -100_00n);
  await expectFault(payIn(database, 'p-1', 100_00n), 'payment_known');
  await expectFault(payIn(database, 'p-1', 99_00n, 2n), 'payment_known');
  await payIn(database, 'p-1', 100_00n, 2n);
  for (const telegramId of [1n, 2n]) {
    const { events } = await readCustomerView(database.db, telegramId, 2);
    expect(events.map(({ action }) => action)).toContain('payment_moved');
  }
  await expectFault(payIn(database, 'p-1', 100_00n, 2n), 'payment_known');
  await expectFault(moveToCustomer(database), 'no_payment');
  expect(await reverseCharge(database, { telegramId: 2n })).toMatchObject({ taken: '100.00' });
  expect(await readAuditViolations(database)).toEqual([]);
});

test.each([
  ['two adjustments of this amount', [-100_00n, -100_00n]],
  ['an adjustment of another amount', [-100_01n]],
])('C3: with %s a top-up does not guess which one took the payment back', async (_, amounts) => {
  const database = await createTermsShop();
  await addCustomer(database, 1n);
  await addCustomer(database, 2n);
  await payIn(database, 'p-0', 100_00n);
  await payIn(database, 'p-1', 100_00n);
  for (const amount of amounts) await adjustDown(database, amount);
  await expectFault(payIn(database, 'p-1', 100_00n, 2n), 'payment_known');
});

test('C3: of two concurrent top-ups of a payment that was taken back one is credited', async () => {
  const database = await createTermsShop();
  for (const telegramId of [1n, 2n, 3n]) await addCustomer(database, telegramId);
  await payIn(database, 'p-1', 100_00n);
  await adjustDown(database, -100_00n);
  const asked = await Promise.allSettled([
    payIn(database, 'p-1', 100_00n, 2n),
    payIn(database, 'p-1', 100_00n, 3n),
    reverseCharge(database),
  ]);
  expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const codes = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
  expect(codes.every((code) => ['payment_known', 'no_payment'].includes(code))).toBe(true);
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C3: a payment that is spent moves only with a claim', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n);
  await addCustomer(database, 2n);
  await addCustomer(database, 3n, { currency: 'USD' });
  await payIn(database, 'p-1', 149_00n);
  await buyPlan(database, 1n);
  await expectFault(moveToCustomer(database), 'short_balance');
  await expectFault(moveToCustomer(database, { to: 3n }), 'other_currency');
  const moved = await moveToCustomer(database, { withClaim: true });
  expect(moved).toMatchObject({ from_claim: '149.00', to_balance: '149.00' });
  expect(await readAuditViolations(database)).toEqual([]);
});

test('C3: moves in both directions at once end without a deadlock', async () => {
  const database = await createTermsShop();
  await addCustomer(database, 1n);
  await addCustomer(database, 2n);
  const refs = ['a', 'b', 'c', 'd'];
  for (const ref of refs) {
    await payIn(database, `1-${ref}`, 1_00n, 1n);
    await payIn(database, `2-${ref}`, 1_00n, 2n);
  }
  await Promise.all(
    refs.flatMap((ref) => [
      moveToCustomer(database, { providerRef: `1-${ref}` }),
      moveToCustomer(database, { providerRef: `2-${ref}`, from: 2n, to: 1n }),
    ]),
  );
  expect((await readMoney(database, 1n)).balance).toBe('4.00');
  expect((await readMoney(database, 2n)).balance).toBe('4.00');
  expect(await readAuditViolations(database)).toEqual([]);
});
