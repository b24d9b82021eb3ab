import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { toClientConfig, workLimits } from '../../../src/db/connect.ts';
import { until } from '../../../testbed/until.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { expectFault } from '../../support/faults.ts';
import { countBlocked } from '../../support/locks.ts';

// Guarantees of the database for every writer, with or without the lock of the customer. Periods
// that are not refunded never overlap. Append-only rows never change.

/** A database with subscription 1 of customer 1, without periods. */
async function createSubscriptionDatabase(): Promise<TestDatabase> {
  const database = await createDatabase({ now: '2026-11-24T09:00:00Z' });
  onTestFinished(() => database.close());
  await database.pool.query(`
    INSERT INTO perennial.plan (key, title, groups) VALUES ('basic', '{}', '{all}');
    INSERT INTO perennial.customer (telegram_id, currency, sub_token, created_at)
      VALUES (1, 'RUB', repeat('t', 22), '2026-01-01Z');
    INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at) SELECT 1, 'paid', 'basic', 30, 'active', '2026-01-01Z', '2026-12-01Z'
      FROM generate_series(1, 2)`);
  return database;
}

type PeriodRange = readonly [from: string, to: string, refunded?: string];

const insert = (ranges: readonly PeriodRange[], subscription = 1): string => `
  INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at, ends_at,
    currency, refunded_at)
  VALUES ${ranges
    .map(
      ([from, to, refunded]) => `(${subscription}, 1, 'grant', 'basic', '2026-${from}Z',
        '2026-${to}Z', 'RUB', ${refunded ? `'2026-${refunded}Z'` : 'NULL'})`,
    )
    .join()}`;

const overlaps = { code: '23P01', constraint: 'period_no_overlap' };

const january: PeriodRange = ['01-01', '02-01'];

test.each<[string, PeriodRange]>([
  ['the same range except one day', ['01-01', '01-31']],
  ['a range inside it', ['01-10', '01-20']],
  ['a range around it', ['01-01', '03-01']],
  ['a range that begins in its last millisecond', ['01-31T23:59:59.999', '02-20']],
])('R3: the database refuses a period that overlaps another: %s', async (_, range) => {
  const { pool } = await createSubscriptionDatabase();
  await pool.query(insert([['01-01T00:00:00.001', '02-01']]));
  await expect(pool.query(insert([range]))).rejects.toMatchObject(overlaps);
});

test('R3: two overlapping periods in one statement are refused', async () => {
  const { pool } = await createSubscriptionDatabase();
  const both = insert([january, ['01-31', '03-01']]);
  await expect(pool.query(both)).rejects.toMatchObject(overlaps);
});

test('adjacent periods, refunded periods and those of another subscription are accepted', async () => {
  const { pool } = await createSubscriptionDatabase();
  await pool.query(insert([january, ['02-01', '03-01']]));
  await pool.query(insert([['03-01', '04-01']]));
  await pool.query(insert([['01-15', '03-15', '01-16']]));
  await pool.query(insert([january], 2));
  await pool.query(`UPDATE perennial.period SET refunded_at = '2026-01-02Z'
    WHERE subscription_id = 2`);
  await pool.query(insert([january], 2));
  const { rows } = await pool.query('SELECT count(*)::int FROM perennial.period');
  expect(rows[0].count).toBe(6);
});

async function openClient(database: TestDatabase): Promise<pg.Client> {
  const opened = new pg.Client(toClientConfig(database.url, workLimits));
  await opened.connect();
  onTestFinished(() => opened.end());
  return opened;
}

test.each(['COMMIT', 'ROLLBACK'] as const)(
  'R3: of two concurrent writers without the lock of the customer, the second waits, and is checked after %s of the first',
  async (end) => {
    const database = await createSubscriptionDatabase();
    const [first, second] = [await openClient(database), await openClient(database)];
    await first.query('BEGIN');
    await first.query(insert([january]));
    const waiting = second.query(insert([['01-15', '02-15']])).then(
      () => 'written',
      (error: unknown) => error,
    );
    await until('it waits', async () => (await countBlocked(database)) === 1);
    await first.query(end);
    if (end === 'COMMIT') expect(await waiting).toMatchObject(overlaps);
    else expect(await waiting).toBe('written');
  },
);

test.each(['REPEATABLE READ', 'SERIALIZABLE'])(
  'a period is refused under %s, because its snapshot hides later commits',
  async (level) => {
    const database = await createSubscriptionDatabase();
    const client = await openClient(database);
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    await expectFault(client.query(insert([january])), '25000');
  },
);

test.each([
  `plan = 'other'`,
  `starts_at = starts_at - interval '1 day'`,
  `ends_at = ends_at + interval '1 day'`,
  'amount_minor = 1',
  `currency = 'USD'`,
  `source = 'import'`,
  'subscription_id = 2',
])('a sold period never changes: SET %s is refused', async (change) => {
  const { pool } = await createSubscriptionDatabase();
  await pool.query(insert([january]));
  await expect(pool.query(`UPDATE perennial.period SET ${change}`)).rejects.toMatchObject({
    code: '23001',
    constraint: 'period_only_refunded',
  });
});

test('a period is refunded once, and the refund never changes', async () => {
  const { pool } = await createSubscriptionDatabase();
  await pool.query(insert([january]));
  await pool.query(`UPDATE perennial.period SET refunded_at = '2026-01-02Z'`);
  for (const again of ['NULL', `'2026-01-03Z'`]) {
    const refund = pool.query(`UPDATE perennial.period SET refunded_at = ${again}`);
    await expect(refund).rejects.toMatchObject({ constraint: 'period_only_refunded' });
  }
});

test.each([
  ['UPDATE perennial.ledger_entry SET amount_minor = 2'],
  ['DELETE FROM perennial.ledger_entry'],
  ['TRUNCATE perennial.ledger_entry CASCADE'],
  [`UPDATE perennial.event SET action = 'other'`],
  ['DELETE FROM perennial.event'],
  ['TRUNCATE perennial.event'],
  ['DELETE FROM perennial.period'],
  ['TRUNCATE perennial.period'],
])('history is append-only: %s is refused', async (statement) => {
  const { pool } = await createSubscriptionDatabase();
  await pool.query(`
    INSERT INTO perennial.ledger_entry (customer_id, amount_minor, balance_after_minor, kind,
      idempotency_key, created_at) VALUES (1, 1, 1, 'opening', 'k', '2026-01-01Z');
    INSERT INTO perennial.event (customer_id, subject, action, actor, at)
      VALUES (1, 'customer:1', 'imported', 'cli', '2026-01-01Z')`);
  await pool.query(insert([january]));
  await expect(pool.query(statement)).rejects.toMatchObject({
    code: '23001',
    constraint: 'append_only',
  });
});

/** The rows of a table that the transaction has read. */
const toReadsSql = (table: string) => `
  SELECT seq_tup_read AS scanned, coalesce(idx_tup_fetch, 0) AS fetched
  FROM pg_stat_xact_user_tables WHERE relid = 'perennial.${table}'::regclass`;

test.each([
  ['-c random_page_cost=4 -c jit=on', 'the planner settings of a new server'],
  ['-c random_page_cost=1.1 -c enable_indexscan=off', 'a planner that avoids indexes'],
  ['-c enable_nestloop=off -c plan_cache_mode=force_generic_plan', 'a planner that avoids loops'],
])(
  'R3: the check reads a few rows for each written row, without statistics, with %s (%s)',
  async (options) => {
    const database = await createSubscriptionDatabase();
    const url = `${database.url}?options=${encodeURIComponent(options)}`;
    const client = new pg.Client(toClientConfig(url, workLimits));
    await client.connect();
    onTestFinished(() => client.end());
    // The session keeps the plan of its first check, which is made for a single row.
    await client.query(insert([january]));
    await client.query(`
    INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at) SELECT 1, 'paid', 'basic', 30, 'active', '2026-01-01Z', '2026-12-01Z'
      FROM generate_series(1, 3000)`);
    for (const month of [1, 2]) {
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO perennial.period (subscription_id, customer_id, source, plan, starts_at,
        ends_at, currency)
      SELECT id, 1, 'import', 'basic', '2026-01-01Z'::timestamptz + $1 * interval '40 days',
        '2026-01-31Z'::timestamptz + $1 * interval '40 days', 'RUB'
      FROM perennial.subscription`,
        [month],
      );
      const [period] = (await client.query(toReadsSql('period'))).rows;
      const [subscription] = (await client.query(toReadsSql('subscription'))).rows;
      await client.query('COMMIT');
      expect(period.scanned).toBe(0n);
      expect(period.fetched).toBeLessThanOrEqual(2n * 3002n);
      // The statement, the lock and the foreign key read each row. Each look-up counts twice.
      expect(subscription.scanned + subscription.fetched).toBeLessThanOrEqual(8n * 3002n);
    }
  },
);
