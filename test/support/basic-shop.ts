import { sql } from 'kysely';
import { inTransaction } from '../../src/db/connect.ts';
import type { SubscriptionId } from '../../src/kernel/ids.ts';
import { type Instant, isoTime } from '../../src/kernel/instant.ts';
import { createCustomer } from '../../src/subscription/commands/customer.ts';
import { purchase } from '../../src/subscription/commands/purchase.ts';
import { topUp } from '../../src/subscription/commands/top-up.ts';
import type { TestDatabase } from './database.ts';

export { runWorker as runOf } from './shop.ts';

// A small operator for tests: one plan, a node, customers that buy by the real commands.

/** Basic for 149.00 RUB a month, 399.00 for 90 days; one node. */
export async function createShop({ db }: Pick<TestDatabase, 'db'>): Promise<void> {
  await sql`
    INSERT INTO perennial.plan (key, title, groups) VALUES
      ('basic', '{"en": "Basic"}', '{all}'), ('plus', '{"en": "Plus"}', '{all,fast}')`.execute(db);
  await sql`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    VALUES ('basic', 30, 'RUB', '2020-01-01Z', 14900), ('basic', 90, 'RUB', '2020-01-01Z', 39900),
      ('plus', 30, 'RUB', '2020-01-01Z', 29900)`.execute(db);
  await sql`
    INSERT INTO perennial.node (id, api, inbounds, groups, link)
    VALUES ('nl-1', '127.0.0.1:1', '{vless}', '{all}', '{"host": "nl1.example.net", "port": 443}')`.execute(
    db,
  );
}

const createCaller = ({ db }: Pick<TestDatabase, 'db'>) => ({ db, actor: 'test' });

/** A customer with a month of basic that begins now, and what is left on the balance. */
export async function createSubscriber(
  database: TestDatabase,
  telegramId: bigint,
  leftMinor: bigint,
): Promise<SubscriptionId> {
  await createCustomer(createCaller(database), { telegramId, currency: 'RUB' });
  await topUp(createCaller(database), { telegramId, amountMinor: 149_00n + leftMinor });
  const purchased = await purchase(createCaller(database), {
    telegramId,
    plan: 'basic',
    periodDays: 30,
  });
  return BigInt(purchased.subscription_id) as SubscriptionId;
}

/** What a subscription has come to, with the balance of its customer. */
export async function readSubscription({ db }: Pick<TestDatabase, 'db'>, id: SubscriptionId) {
  const { rows } = await sql<{
    state: string;
    expires_at: Instant;
    balance: bigint;
    live: bigint;
    charges: bigint;
  }>`
    SELECT s.state, s.expires_at, c.balance_minor AS balance,
      (SELECT count(*) FROM perennial.credential k
        WHERE k.subscription_id = s.id AND k.retired_at IS NULL) AS live,
      (SELECT count(*) FROM perennial.period p
        WHERE p.subscription_id = s.id AND p.ledger_entry_id IS NOT NULL) AS charges
    FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
    WHERE s.id = ${id}`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error(`no subscription ${id}`);
  return {
    state: row.state,
    expires: isoTime(row.expires_at),
    balance: row.balance,
    live: Number(row.live),
    charges: Number(row.charges),
  };
}

/** `count` paying customers at once, set-based, without money left and without auto-renewal. */
export async function createSubscribers(
  { db }: Pick<TestDatabase, 'db'>,
  count: number,
  endsAt: string,
): Promise<void> {
  await inTransaction(db, async (tx) => {
    await sql`
      INSERT INTO perennial.customer (telegram_id, currency, sub_token, created_at)
      SELECT 1000000 + n, 'RUB', 'token-of-the-crowd-' || n, perennial.clock()
      FROM generate_series(1, ${count}) n`.execute(tx);
    await sql`
      INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
        expires_at, auto_renew)
      SELECT id, 'paid', 'basic', 30, 'active', ${endsAt}::timestamptz - interval '30 days',
        ${endsAt}::timestamptz, false
      FROM perennial.customer WHERE telegram_id > 1000000`.execute(tx);
    await sql`
      INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
        currency)
      SELECT s.id, s.customer_id, 'import', 'basic', s.started_at, s.expires_at, 'RUB'
      FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
      WHERE c.telegram_id > 1000000`.execute(tx);
    await sql`
      INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at)
      SELECT gen_random_uuid(), s.id, s.customer_id, s.started_at
      FROM perennial.subscription s JOIN perennial.customer c ON c.id = s.customer_id
      WHERE c.telegram_id > 1000000`.execute(tx);
  });
}
