import { expect, onTestFinished, test } from 'vitest';
import { type ExplainedStatement, explain } from '../../../testbed/explain.ts';
import type { TestDatabase } from '../../support/database.ts';
import { batchMax, collectStatements, findStatement } from '../../support/query-plans.ts';
import { createShopDatabase, parseTime } from '../../support/shop.ts';

// The plans of the statements that remind, as a run sends them. The database is large enough to
// show a wrong plan: 20,000 subscriptions with reminders, half of them trials. `due` of each kind
// are due now.

const now = parseTime('2026-11-24T12:00:00Z');

async function createDueDatabase(due: number): Promise<TestDatabase> {
  const database = await createShopDatabase({ now });
  onTestFinished(() => database.close());
  await database.query`
    INSERT INTO perennial.customer (telegram_id, currency, sub_token, created_at)
    SELECT n, 'RUB', 'token-of-customer-' || n, '2026-01-01Z'
    FROM generate_series(1, 20000) n`;
  await database.query`
    INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at, auto_renew, remind_at)
    SELECT id, kind, 'basic', 3, 'active', ends - interval '3 days', ends, false,
      CASE kind WHEN 'trial' THEN ends - interval '66 hours' ELSE ends - interval '24 hours' END
    FROM (SELECT id, CASE WHEN id % 2 = 0 THEN 'trial' ELSE 'paid' END AS kind, CASE
        WHEN id <= ${2 * due} AND id % 2 = 0 THEN '2026-11-27T00:00Z'::timestamptz
        WHEN id <= ${2 * due} THEN '2026-11-25T11:00Z'::timestamptz
        ELSE '2026-11-27T06:30Z'::timestamptz + id * interval '1 second' END AS ends
      FROM perennial.customer) s`;
  await database.query`
    INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
      currency)
    SELECT id, customer_id, 'import', plan, started_at, expires_at, 'RUB'
    FROM perennial.subscription`;
  await database.query`VACUUM ANALYZE`;
  return database;
}

test.each([
  ['trial-notifications', 'AS "hasPaid"', ['customer_pkey', 'subscription_pkey']],
  ['expiry-reminders', 'AS "runningPlan"', ['customer_pkey', 'subscription_pkey']],
])(
  'a batch of %s reaches its rows by index: its own and no others',
  async (worker, facts, reads) => {
    const sent = await collectStatements(await createDueDatabase(200), worker);
    const before = await createDueDatabase(200);
    const [find, lock, read, look] = (await explain(before.pool, [
      findStatement(sent, 's.remind_at <= '),
      findStatement(sent, 'FOR NO KEY UPDATE SKIP LOCKED'),
      findStatement(sent, facts),
      findStatement(sent, 'SET remind_at = next.at'),
    ])) as [ExplainedStatement, ExplainedStatement, ExplainedStatement, ExplainedStatement];
    expect(find.reads).toEqual(['subscription_reminding']);
    expect(find.rows).toBe(batchMax);
    expect(find.buffers).toBeLessThan(3 * batchMax);
    expect(lock.reads.toSorted()).toEqual(['customer_pkey', 'subscription_pkey']);
    const others = read.reads.filter((one) => one !== 'subscription_customer_id_id_key');
    expect(others.toSorted()).toEqual(reads);
    expect(read.rows).toBe(batchMax);
    expect(look.reads).toEqual(['subscription_pkey']);
  },
);

test.each(['trial-notifications', 'expiry-reminders'])(
  'a run of %s with nothing due reads a handful of pages and no table of customers',
  async (worker) => {
    const database = await createDueDatabase(0);
    const explained = await explain(database.pool, await collectStatements(database, worker));
    const reads = explained.flatMap((one) => one.reads);
    expect(reads.filter((read) => /subscription|(?<!_of_)customer/.test(read))).toEqual([
      'subscription_reminding',
    ]);
    const find = explained.find((one) => one.sql.includes('perennial.subscription'));
    expect(find?.buffers).toBeLessThanOrEqual(4);
    expect(explained.reduce((pages, { buffers }) => pages + buffers, 0)).toBeLessThan(60);
  },
);
