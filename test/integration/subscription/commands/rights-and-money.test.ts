import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { inTransaction } from '../../../../src/db/connect.ts';
import type { PeriodId } from '../../../../src/kernel/ids.ts';
import type { Instant } from '../../../../src/kernel/instant.ts';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { setCustomer } from '../../../../src/subscription/commands/customer.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { purchase } from '../../../../src/subscription/commands/purchase.ts';
import { refund } from '../../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import { readCustomerView } from '../../../../src/subscription/queries/customer-view.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { expectFault } from '../../../support/faults.ts';
import { hookDatabase } from '../../../support/hooked-pool.ts';
import {
  addBalance,
  addCustomer,
  createCaller,
  createShopDatabase,
  setPrice,
} from '../../../support/shop.ts';

// Effects of one command on other rights and other money of the customer.

const begin = '2026-11-24T09:00:00Z';

async function createDatabaseWith(balanceMinor: bigint): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: begin });
  await setPrice(database, 'basic', 1, 10_00n, 'RUB');
  await addCustomer(database, 1n, { balanceMinor });
  return database;
}

test('R6: a change of plan that raises the balance makes waiting renewals due', async () => {
  await using database = await createDatabaseWith(31_000n);
  const { db } = database;
  const call = createCaller(database);
  const small = { telegramId: 1n, plan: 'basic', periodDays: 1, isNew: true };
  const waiting = await purchase(call, small);
  const dear = await purchase(call, { ...small, plan: 'plus', periodDays: 30 });
  await sql`UPDATE perennial.subscription SET next_try_at = '2026-11-25T08:00:00Z'
    WHERE id = ${waiting.subscription_id}`.execute(db);
  const subscriptionId = BigInt(dear.subscription_id) as never;
  const change = { telegramId: 1n, plan: 'basic', periodDays: 30, subscriptionId };
  const { balance } = await changePlan(call, { ...change, when: 'now' });
  expect(balance).toBe('151.00');
  const { rows } = await sql<{ at: Instant | null }>`
    SELECT next_try_at AS at FROM perennial.subscription
    WHERE id = ${waiting.subscription_id}`.execute(db);
  expect(rows).toEqual([{ at: null }]);
});

test('a revocation with a refund also refunds a paid period that a grant follows', async () => {
  await using database = await createDatabaseWith(149_00n);
  const call = createCaller(database);
  await purchase(call, { telegramId: 1n, plan: 'basic', periodDays: 30 });
  const given = await grant(call, { telegramId: 1n, days: 3 });
  const answer = await revoke(call, { telegramId: 1n, refund: 'whole', reason: 'asked' });
  expect(answer).toMatchObject({ state: 'revoked', refunded: '149.00', balance: '149.00' });
  // The grant stays as it was; the end is that of the last period that is not refunded.
  expect(answer.expires_at).toBe(given.expires_at);
});

test('a purchase that moves a subscription to another plan marks its credential', async () => {
  await using database = await createDatabaseWith(41_000n);
  const { db } = database;
  const call = createCaller(database);
  const bought = await purchase(call, { telegramId: 1n, plan: 'basic', periodDays: 1 });
  const subscriptionId = BigInt(bought.subscription_id) as never;
  const version = async (): Promise<bigint> => {
    const { rows } = await sql<{ version: bigint }>`
      SELECT version FROM perennial.access_sync`.execute(db);
    return rows[0]?.version ?? 0n;
  };
  const atFirst = await version();
  await database.setClock('2026-11-25T09:00:00Z');
  await purchase(call, { telegramId: 1n, plan: 'basic', periodDays: 1, subscriptionId });
  expect(await version()).toBe(atFirst);
  await database.setClock('2026-11-26T09:00:00Z');
  await purchase(call, { telegramId: 1n, plan: 'plus', periodDays: 30, subscriptionId });
  expect(await version()).toBeGreaterThan(atFirst);
});

test('R16: a refused command inside an open transaction uses up no key and changes nothing', async () => {
  await using database = await createDatabaseWith(500n);
  const { db } = database;
  const order = { telegramId: 1n, plan: 'basic', periodDays: 30 };
  await inTransaction(db, async (tx) => {
    const asked = purchase({ db: tx, actor: 'test', key: 'key-1' }, order);
    await expectFault(asked, 'short_balance');
    // The caller of the command continues in its open transaction.
    await topUp({ db: tx, actor: 'test' }, { telegramId: 1n, amountMinor: 14_400n });
  });
  const sold = await purchase(createCaller(database, 'key-1'), order);
  expect(sold).toMatchObject({ action: 'new', balance: '0.00' });
});

test('promise 1: the view of a customer is of one moment, also if other transactions commit meanwhile', async () => {
  let paid = false;
  await using database = await createDatabaseWith(500n);
  await using hooked = hookDatabase(database, async ({ sql: text, when }) => {
    if (paid || when !== 'before' || !text.includes('FROM perennial.ledger_entry')) return;
    paid = true;
    await addBalance(database, 1n, 100n);
  });
  const { customer, ledger } = await readCustomerView(hooked.db, 1n, 10);
  expect(paid).toBe(true);
  expect(customer.balance).toBe('5.00');
  expect(ledger).toMatchObject([{ balance_after: '5.00' }]);
});

test('a refund of the unused part of a period without a charge is refused with the true reason', async () => {
  await using database = await createDatabaseWith(500n);
  const call = createCaller(database);
  await setCustomer(call, { telegramId: 1n, discountPercent: 100 });
  await purchase(call, { telegramId: 1n, plan: 'basic', periodDays: 30 });
  const rows = await database.query<{ id: PeriodId }>`SELECT id FROM perennial.period`;
  const periodId = rows[0]?.id as PeriodId;
  const asked = refund(call, { telegramId: 1n, periodId, part: 'unused' });
  await expect(asked).rejects.toMatchObject({
    code: 'nothing_unused',
    message: `period ${periodId} cost 0.00 RUB, and its unused part is worth less than a minor unit`,
  });
});
