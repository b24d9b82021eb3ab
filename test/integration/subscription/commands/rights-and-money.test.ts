import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { inTransaction, openDatabase, openPool } from '../../../../src/db/connect.ts';
import type { PeriodId } from '../../../../src/kernel/ids.ts';
import type { Instant } from '../../../../src/kernel/instant.ts';
import { changePlan } from '../../../../src/subscription/commands/change-plan.ts';
import { createCustomer, setCustomer } from '../../../../src/subscription/commands/customer.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { purchase } from '../../../../src/subscription/commands/purchase.ts';
import { refund } from '../../../../src/subscription/commands/refund.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import { readCustomerView } from '../../../../src/subscription/queries/customer-view.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { hookPool } from '../../../support/hooked-pool.ts';

// What the commands of this folder owe each other: found by reading docs/design.md a second time.

const begin = '2026-11-24T09:00:00Z';

async function createDatabaseWith(balanceMinor: bigint): Promise<TestDatabase> {
  const database = await createDatabase({ now: begin });
  const { db } = database;
  await sql`
    INSERT INTO perennial.plan (key, title, groups)
    VALUES ('basic', '{"en": "Basic"}', '{all}'), ('plus', '{"en": "Plus"}', '{all,fast}')`.execute(
    db,
  );
  await sql`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    VALUES ('basic', 1, 'RUB', ${begin}, 1000), ('basic', 30, 'RUB', ${begin}, 10000),
      ('plus', 30, 'RUB', ${begin}, 30000)`.execute(db);
  await sql`
    INSERT INTO perennial.node (id, api, inbounds, groups, link)
    VALUES ('nl-1', '127.0.0.1:1', '{vless}', '{all}', '{}')`.execute(db);
  const call = { db, actor: 'test' };
  await createCustomer(call, { telegramId: 1n, currency: 'RUB' });
  await topUp(call, { telegramId: 1n, amountMinor: balanceMinor });
  return database;
}

const callerOf = ({ db }: TestDatabase) => ({ db, actor: 'test' });

test('R6: a plan change that leaves more money than before wakes what was short of it', async () => {
  await using books = await createDatabaseWith(31_000n);
  const { db } = books;
  const call = callerOf(books);
  const small = { telegramId: 1n, plan: 'basic', periodDays: 1, isNew: true };
  const waiting = await purchase(call, small);
  const dear = await purchase(call, { ...small, plan: 'plus', periodDays: 30 });
  await sql`UPDATE perennial.subscription SET next_try_at = '2026-11-25T08:00:00Z'
    WHERE id = ${waiting.subscription_id}`.execute(db);
  const subscriptionId = BigInt(dear.subscription_id) as never;
  const change = { telegramId: 1n, plan: 'basic', periodDays: 30, subscriptionId };
  const { balance } = await changePlan(call, { ...change, when: 'now' });
  expect(balance).toBe('200.00');
  const { rows } = await sql<{ at: Instant | null }>`
    SELECT next_try_at AS at FROM perennial.subscription
    WHERE id = ${waiting.subscription_id}`.execute(db);
  expect(rows).toEqual([{ at: null }]);
});

test('a gift behind a paid period does not keep its money when it is revoked with a refund', async () => {
  await using books = await createDatabaseWith(10_000n);
  const call = callerOf(books);
  await purchase(call, { telegramId: 1n, plan: 'basic', periodDays: 30 });
  const given = await grant(call, { telegramId: 1n, days: 3 });
  const answer = await revoke(call, { telegramId: 1n, refund: 'whole', reason: 'asked' });
  expect(answer).toMatchObject({ state: 'revoked', refunded: '100.00', balance: '100.00' });
  // The gift stays as it was given; the end is that of the last live period.
  expect(answer.expires_at).toBe(given.expires_at);
});

test('a purchase that moves a subscription to another plan marks its credential', async () => {
  await using books = await createDatabaseWith(41_000n);
  const { db } = books;
  const call = callerOf(books);
  const bought = await purchase(call, { telegramId: 1n, plan: 'basic', periodDays: 1 });
  const subscriptionId = BigInt(bought.subscription_id) as never;
  const version = async (): Promise<bigint> => {
    const { rows } = await sql<{ version: bigint }>`
      SELECT version FROM perennial.access_sync`.execute(db);
    return rows[0]?.version ?? 0n;
  };
  const atFirst = await version();
  await books.setClock('2026-11-25T09:00:00Z');
  await purchase(call, { telegramId: 1n, plan: 'basic', periodDays: 1, subscriptionId });
  expect(await version()).toBe(atFirst);
  await books.setClock('2026-11-26T09:00:00Z');
  await purchase(call, { telegramId: 1n, plan: 'plus', periodDays: 30, subscriptionId });
  expect(await version()).toBeGreaterThan(atFirst);
});

test('R16: a command that was refused inside an open transaction has used up no key and left nothing', async () => {
  await using books = await createDatabaseWith(500n);
  const { db } = books;
  const order = { telegramId: 1n, plan: 'basic', periodDays: 30 };
  await inTransaction(db, async (tx) => {
    const asked = purchase({ db: tx, actor: 'test', key: 'key-1' }, order);
    await expect(asked).rejects.toMatchObject({ code: 'short_balance' });
    // Whoever opened the transaction goes on with it.
    await topUp({ db: tx, actor: 'test' }, { telegramId: 1n, amountMinor: 9_500n });
  });
  const sold = await purchase({ ...callerOf(books), key: 'key-1' }, order);
  expect(sold).toMatchObject({ action: 'new', balance: '0.00' });
});

test('promise 1: what is shown of a customer is of one moment, whatever commits meanwhile', async () => {
  let paid = false;
  await using books = await createDatabaseWith(500n);
  const pool = hookPool(openPool(books.url), async ({ sql: text, when }) => {
    if (paid || when !== 'before' || !text.includes('FROM perennial.ledger_entry')) return;
    paid = true;
    await topUp(callerOf(books), { telegramId: 1n, amountMinor: 100n });
  });
  const { customer, ledger } = await readCustomerView(openDatabase(pool), 1n, 10);
  await pool.end();
  expect(paid).toBe(true);
  expect(customer.balance).toBe('5.00');
  expect(ledger).toMatchObject([{ balance_after: '5.00' }]);
});

test('the unused part of a period that cost nothing is refused with what is true of it', async () => {
  await using books = await createDatabaseWith(500n);
  const call = callerOf(books);
  await setCustomer(call, { telegramId: 1n, discountPercent: 100 });
  await purchase(call, { telegramId: 1n, plan: 'basic', periodDays: 30 });
  const { rows } = await sql<{ id: PeriodId }>`SELECT id FROM perennial.period`.execute(books.db);
  const periodId = rows[0]?.id as PeriodId;
  const asked = refund(call, { telegramId: 1n, periodId, part: 'unused' });
  await expect(asked).rejects.toMatchObject({
    code: 'nothing_unused',
    message: `period ${periodId} cost 0.00 RUB, and what is not used of it comes to nothing`,
  });
});
