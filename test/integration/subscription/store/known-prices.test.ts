import { expect, test } from 'vitest';
import { setPrice } from '../../../../src/catalog/apply.ts';
import { formatCustomerView } from '../../../../src/cli/output/customer-text.ts';
import { readClock } from '../../../../src/db/clock.ts';
import { inTransaction } from '../../../../src/db/connect.ts';
import type { PeriodId } from '../../../../src/kernel/ids.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { applyChargeback } from '../../../../src/subscription/commands/chargeback.ts';
import { setCustomer } from '../../../../src/subscription/commands/customer.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { movePayment } from '../../../../src/subscription/commands/move-payment.ts';
import { refund } from '../../../../src/subscription/commands/refund.ts';
import { readCustomerView } from '../../../../src/subscription/queries/customer-view.ts';
import { quotePurchase } from '../../../../src/subscription/queries/quote.ts';
import type { TestDatabase } from '../../../support/database.ts';
import {
  changePrice,
  readSentPrices,
  runRenewalsAt,
  sendRemindersAt,
} from '../../../support/prices.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  parseTime,
  runWorkerAt,
} from '../../../support/shop.ts';

// A renewal takes no amount that the customer was not notified of.
//
// Each test buys a month of basic for 149.00 on 24 November at 10:00. So it ends on 24 December and
// is due 6 hours before.

const start = '2026-11-24T10:00:00Z';

const setDiscounts = (database: TestDatabase, given: { vip?: boolean; discountPercent?: number }) =>
  setCustomer(createCaller(database), { telegramId: 1n, ...given });

test('N1: a price that was raised too late is not taken, and counts from the following period', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n);
  await sendRemindersAt(database, '2026-12-21T10:05:00Z', '2026-12-23T10:05:00Z');
  await database.setClock('2026-12-23T18:00:00Z');
  await changePrice(database, 449_00n);
  await sendRemindersAt(database, '2026-12-23T18:05:00Z');
  expect(await readSentPrices(database)).toEqual(['price_change 449.00 next 149.00']);
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([149]);
  expect(await runRenewalsAt(database, '2027-01-23T04:05:00Z')).toEqual([149, 449]);
});

test('N1: a price is taken if the customer was notified 24 hours before the charge', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n);
  await database.setClock('2026-12-01T10:00:00Z');
  await changePrice(database, 449_00n);
  await sendRemindersAt(database, '2026-12-01T10:05:00Z', '2026-12-21T10:05:00Z');
  expect(await readSentPrices(database)).toEqual(['price_change 449.00']);
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([449]);
});

test('N1: a notification that was not sent does not count', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n);
  await changePrice(database, 449_00n);
  await runWorkerAt(database, '2026-12-21T10:05:00Z', 'expiry-reminders');
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([149]);
});

test('N1: of two raises the amount counts whose notification was sent in time', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n);
  await changePrice(database, 199_00n);
  await sendRemindersAt(database, '2026-12-21T10:05:00Z');
  await database.setClock('2026-12-23T18:00:00Z');
  await changePrice(database, 449_00n);
  await sendRemindersAt(database, '2026-12-23T18:05:00Z');
  expect(await readSentPrices(database)).toEqual([
    'price_change 199.00',
    'price_change 449.00 next 199.00',
  ]);
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z', '2027-01-23T04:05:00Z')).toEqual([
    199, 449,
  ]);
});

test('N1: the loss of a discount or VIP status in the last day does not count yet', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n, { discountPercent: 50 });
  await setDiscounts(database, { vip: true });
  // 149.00 of the balance paid for half of the price; the customer's own discount is the larger
  // one.
  await database.setClock('2026-12-23T18:00:00Z');
  await setDiscounts(database, { vip: false, discountPercent: 0 });
  await sendRemindersAt(database, '2026-12-23T18:05:00Z');
  expect(await readSentPrices(database)).toEqual(['price_change 149.00 next 74.50']);
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z', '2027-01-23T04:05:00Z')).toEqual([
    74.5, 149,
  ]);
});

test('N1: a daily plan takes a raise 24 hours after its notification, a period later', async () => {
  await using database = await createShopDatabase({ now: start });
  await changePrice(database, 10_00n, 'basic', 1);
  await createSubscriber(database, 1n, 1_000_00n);
  await database.query`UPDATE perennial.subscription SET auto_renew = false`;
  await buyPlan(database, 1n, { periodDays: 1, isNew: true });
  await database.setClock('2026-11-24T12:00:00Z');
  await changePrice(database, 15_00n, 'basic', 1);
  await sendRemindersAt(database, '2026-11-24T12:05:00Z');
  expect(await readSentPrices(database)).toEqual(['price_change 15.00 next 10.00']);
  expect(
    await runRenewalsAt(
      database,
      '2026-11-25T04:05:00Z',
      '2026-11-26T04:05:00Z',
      '2026-11-27T04:05:00Z',
    ),
  ).toEqual([10, 15, 15]);
});

test('N1: a plan that was chosen for later costs the amount of the answer', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n);
  const chosen = { telegramId: 1n, plan: 'plus', periodDays: 30, when: 'next' } as const;
  expect(await changePlan(createCaller(database), chosen)).toMatchObject({ amount: '299.00' });
  await database.setClock('2026-12-23T18:00:00Z');
  await changePrice(database, 599_00n, 'plus');
  await sendRemindersAt(database, '2026-12-23T18:05:00Z');
  expect(await readSentPrices(database)).toEqual(['price_change 599.00 next 299.00']);
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z', '2027-01-23T04:05:00Z')).toEqual([
    299, 599,
  ]);
});

test('N1: the loss of a discount in the last day does not count yet, for a customer with two subscriptions of one plan', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n, { discountPercent: 50 });
  await database.setClock('2026-11-24T11:00:00Z');
  await buyPlan(database, 1n, { isNew: true });
  await database.setClock('2026-12-23T18:00:00Z');
  await setDiscounts(database, { discountPercent: 0 });
  await sendRemindersAt(database, '2026-12-23T18:05:00Z', '2026-12-23T18:10:00Z');
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z', '2026-12-24T05:05:00Z')).toEqual([
    74.5, 74.5,
  ]);
  expect(await runRenewalsAt(database, '2027-01-23T04:05:00Z', '2027-01-23T05:05:00Z')).toEqual([
    74.5, 74.5, 149, 149,
  ]);
});

test('N1: a dated price that starts in the last day is taken only after its notification', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n);
  await inTransaction(database.db, async (tx) => {
    const from = parseTime('2026-12-24T03:00:00Z');
    const priced = { plan: 'basic', periodDays: 30, currency: 'RUB', amountMinor: 449_00n };
    await setPrice(tx, priced, from, await readClock(tx));
  });
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([149]);
  await sendRemindersAt(database, '2027-01-20T10:05:00Z');
  expect(await readSentPrices(database)).toContain('price_change 449.00');
  expect(await runRenewalsAt(database, '2027-01-23T04:05:00Z')).toEqual([149, 449]);
});

test('N1: a price that was withdrawn and returns higher counts as a raise', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n);
  await changePrice(database, null);
  await sendRemindersAt(database, '2026-12-21T10:05:00Z');
  await database.setClock('2026-12-24T03:00:00Z');
  await changePrice(database, 449_00n);
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([149]);
});

test.each([
  ['its charge was refunded', 'refund'],
  ['its payment was charged back', 'chargeback'],
  ['its payment was moved with a claim', 'move'],
])('N1: the last paid amount still limits a renewal after %s', async (_, way) => {
  await using database = await createShopDatabase({ now: start });
  await addCustomer(database, 1n);
  await addCustomer(database, 2n);
  const payment = { amountMinor: 149_00n, provider: 'cards', providerRef: 'p-1' };
  await buyPlan(database, 1n, { payment });
  await grant(createCaller(database), { telegramId: 1n, days: 30 });
  await changePrice(database, 449_00n);
  const named = { provider: 'cards', providerRef: 'p-1' };
  if (way === 'chargeback') {
    await applyChargeback(createCaller(database), { ...named, telegramId: 1n, dispute: 'd-1' });
  } else if (way === 'move') {
    await movePayment(createCaller(database), { ...named, from: 1n, to: 2n, withClaim: true });
  } else {
    const { subscriptions } = await readCustomerView(database.db, 1n, 0);
    const periodId = BigInt(subscriptions[0]?.periods[0]?.id ?? 0) as PeriodId;
    await refund(createCaller(database), { telegramId: 1n, periodId, part: 'whole', payout: true });
  }
  await setAutoRenew(createCaller(database), { telegramId: 1n, on: true });
  await addBalance(database, 1n, 1_000_00n);
  expect(
    new Set(await runRenewalsAt(database, '2026-12-24T09:00:00Z', '2027-01-23T09:00:00Z')),
  ).toEqual(new Set([149]));
});

test('N1: the same plan that is chosen again for later costs at most the known amount', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n);
  await changePrice(database, 449_00n);
  const wanted = { telegramId: 1n, plan: 'plus', periodDays: 30, when: 'next' } as const;
  await changePlan(createCaller(database), wanted);
  const back = await changePlan(createCaller(database), { ...wanted, plan: 'basic' });
  expect(back).toMatchObject({ amount: '149.00' });
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([149]);
});

test('N1: a lower price counts at once, and a customer with too little money is notified of the price first', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  await changePrice(database, 199_00n);
  await sendRemindersAt(database, '2026-12-21T10:05:00Z', '2026-12-21T12:10:00Z');
  expect(await readSentPrices(database)).toEqual(['price_change 199.00', 'ends_3d']);
  await changePrice(database, 99_00n);
  await database.setClock('2026-12-24T03:00:00Z');
  await addBalance(database, 1n, 99_00n);
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([99]);
});

const readShownPrices = async (database: TestDatabase) => {
  const { subscriptions } = await readCustomerView(database.db, 1n, 0);
  const { at: _, ...next } = subscriptions[0]?.next_renewal ?? { at: '' };
  const wanted = { telegramId: 1n, plan: 'basic', periodDays: 30 };
  expect(await quotePurchase(database.db, wanted)).toMatchObject({
    renewal_amount: subscriptions[0]?.next_renewal?.amount ?? null,
    renewal_reason: subscriptions[0]?.next_renewal?.reason ?? null,
  });
  return next;
};

test('N1: the customer, the quote and the subscription show the amount that the renewal will take, and why', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n);
  expect(await readShownPrices(database)).toEqual({
    amount: '149.00',
    list_amount: '149.00',
    reason: null,
  });
  await changePrice(database, 449_00n);
  const known = { amount: '149.00', list_amount: '449.00', reason: 'known_price' };
  expect(await readShownPrices(database)).toEqual(known);
  expect(formatCustomerView(await readCustomerView(database.db, 1n, 0))).toContain(
    'next renewal 149.00 RUB, from 2026-12-24 04:00Z; list price 449.00 RUB, no notification of a higher amount was sent in time',
  );
  await sendRemindersAt(database, '2026-12-21T10:05:00Z');
  expect(await readShownPrices(database)).toEqual({ ...known, amount: '449.00', reason: null });
  await setDiscounts(database, { discountPercent: 50 });
  const discounted = { amount: '224.50', list_amount: '449.00', reason: 'discount' };
  expect(await readShownPrices(database)).toEqual(discounted);
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([224.5]);
  await setAutoRenew(createCaller(database), { telegramId: 1n, on: false });
  expect(await readShownPrices(database)).toEqual({});
});

test('N2: a customer whose price was withdrawn is notified from 3 days ahead, with choices', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 1_000_00n);
  await database.setClock('2026-12-01T10:00:00Z');
  await changePrice(database, null);
  await sendRemindersAt(
    database,
    '2026-12-21T10:05:00Z',
    '2026-12-23T10:05:00Z',
    '2026-12-24T09:05:00Z',
  );
  expect(await readSentPrices(database)).toEqual(
    Array.from({ length: 3 }, () => 'price_withdrawn'),
  );
  const rows = await database.query<{ choices: string }>`
    SELECT params->>'choices' AS choices FROM perennial.notification
    WHERE kind = 'price_withdrawn' LIMIT 1`;
  const choices = JSON.parse(rows[0]?.choices ?? '[]') as { plan: string; amount: string }[];
  expect(choices.map(({ plan, amount }) => `${plan} ${amount}`)).toEqual([
    'basic 399.00',
    'mini 10.00',
    'plus 299.00',
  ]);
});

test('N3: the customer is notified 3 days before the renewal of a long period, and not of a short one', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 9_000_00n);
  await buyPlan(database, 1n, { periodDays: 90, isNew: true });
  await sendRemindersAt(database, '2026-12-21T10:05:00Z', '2027-02-19T10:05:00Z');
  expect(await readSentPrices(database)).toEqual(['renewal_ahead 399.00']);
});
