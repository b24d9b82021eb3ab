import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { runAudit } from '../../../src/audit/audit.ts';
import { applySteps, setPrice } from '../../../src/catalog/apply.ts';
import { readClock } from '../../../src/db/clock.ts';
import { inTransaction } from '../../../src/db/connect.ts';
import { instant } from '../../../src/kernel/instant.ts';
import { setAutoRenew } from '../../../src/subscription/commands/auto-renew.ts';
import { applyChargeback } from '../../../src/subscription/commands/chargeback.ts';
import { setCustomer } from '../../../src/subscription/commands/customer.ts';
import { grant } from '../../../src/subscription/commands/grant.ts';
import type { TestDatabase } from '../../support/database.ts';
import { addCustomer, buyPlan, createCaller, createShopDatabase } from '../../support/shop.ts';

// The audit recomputes earlier prices, discounts and switches from the stored history.

const first = Date.parse('2026-11-24T10:00:00Z');

/** Purchases under each price and discount in history, an hour apart. */
async function openHistory(): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: instant(first) });
  const { db } = database;
  await addCustomer(database, 1n, { balanceMinor: 9_000_00n, discountPercent: 50 });
  const set = (given: object) => setCustomer(createCaller(database), { telegramId: 1n, ...given });
  const price = (amountMinor: bigint | null) =>
    inTransaction(db, async (tx) => {
      const basic = { plan: 'basic', periodDays: 30, currency: 'RUB', amountMinor };
      const now = await readClock(tx);
      await setPrice(tx, basic, now, now);
    });
  const vip = (percent: number, before: object | null) =>
    inTransaction(db, async (tx) => {
      const rule = { do: 'set-rule', key: 'discounts', value: { vip_percent: percent } } as const;
      await applySteps(tx, [{ ...rule, before }], 'test', await readClock(tx));
    });
  const changes: readonly (() => Promise<unknown>)[] = [
    () => price(199_00n),
    () => set({ discountPercent: 0 }),
    () => set({ vip: true }),
    () => vip(40, null),
    () => set({ locale: 'ru' }),
    () => price(149_00n),
    () => vip(20, { vip_percent: 40 }),
    () => set({ vip: false, discountPercent: 10 }),
  ];
  for (const [n, change] of changes.entries()) {
    await buyPlan(database, 1n, { isNew: true });
    await database.setClock(new Date(first + (n + 1) * 3_600_000).toISOString());
    await change();
  }
  await buyPlan(database, 1n, { isNew: true });
  return database;
}

const found = async ({ db }: TestDatabase) =>
  (await runAudit(db)).checks.flatMap(({ id, violations }) =>
    violations > 0n ? [`${id} ${violations}`] : [],
  );

/** Percent and list price of the purchases, in their order. */
const sold = async ({ query }: TestDatabase) => {
  const rows = await query<{ text: string }>`
    SELECT discount_percent || '% of ' || list_minor / 100 AS text
    FROM perennial.period ORDER BY id`;
  return rows.map(({ text }) => text);
};

test('purchases under earlier prices and discounts are valid', async () => {
  await using database = await openHistory();
  expect(await sold(database)).toEqual([
    '50% of 149',
    '50% of 199',
    '0% of 199',
    '30% of 199',
    '40% of 199',
    '40% of 199',
    '40% of 149',
    '20% of 149',
    '10% of 149',
  ]);
  expect(await found(database)).toEqual([]);
});

const isOf = (index: number) => `id = (SELECT id FROM period ORDER BY id OFFSET ${index} LIMIT 1)`;

test.each([
  ['an earlier discount', 'discount_percent = 50, list_minor = 19900', 2, 'discount-was-given 1'],
  ['a later discount', 'discount_percent = 10, list_minor = 14900', 0, 'discount-was-given 1'],
  ['no discount of a VIP', 'discount_percent = 0, list_minor = 19900', 3, 'discount-was-given 1'],
  ['an earlier price', 'discount_percent = 20, list_minor = 19900', 7, 'price-was-on-sale 1'],
  ['a later price', 'discount_percent = 50, list_minor = 19900', 0, 'price-was-on-sale 1'],
])('a purchase with %s is a violation', async (_, terms, index, violation) => {
  await using database = await openHistory();
  await inTransaction(database.db, async (tx) => {
    await sql`SET LOCAL session_replication_role = replica`.execute(tx);
    await sql`SET LOCAL search_path = perennial`.execute(tx);
    await sql.raw(`UPDATE period SET ${terms} WHERE ${isOf(index)}`).execute(tx);
    // Amount, charge, balances and receipt follow.
    await sql`UPDATE period SET amount_minor = list_minor * (100 - discount_percent) / 100`.execute(
      tx,
    );
  });
  const checks = (await found(database)).filter((text) => /^(discount|price|amount-is)/.test(text));
  expect(checks).toEqual([violation]);
});

test('each command that changes the switch of auto-renewal records it', async () => {
  await using database = await createShopDatabase({ now: instant(first) });
  await addCustomer(database, 1n);
  const payment = { amountMinor: 149_00n, provider: 'cards', providerRef: 'p-1' };
  await buyPlan(database, 1n, { payment });
  const call = { ...createCaller(database), telegramId: 1n };
  await applyChargeback(call, { ...payment, telegramId: 1n, dispute: 'd-1' });
  await addCustomer(database, 2n, { balanceMinor: 500_00n });
  const id = await buyPlan(database, 2n, { autoRenew: false });
  await setAutoRenew(createCaller(database), { telegramId: 2n, subscriptionId: id, on: true });
  await buyPlan(database, 2n, { subscriptionId: id, autoRenew: false });
  await grant(createCaller(database), { telegramId: 2n, days: 3, newPlan: 'basic' });
  expect(await found(database)).toEqual([]);
  await database.query`UPDATE perennial.subscription SET auto_renew = NOT auto_renew`;
  expect(await found(database)).toEqual(['switch-is-its-event 3']);
});
