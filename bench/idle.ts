import type pg from 'pg';
import { openPool } from '../src/db/connect.ts';
import { openReplica } from '../src/leases/replica.ts';
import { workers } from '../src/workers/index.ts';
import { explain, recordStatements } from '../testbed/explain.ts';
import { type BenchDatabases, openBenchDatabases } from './databases.ts';
import { type Benchmark, median, type Options, type Row } from './table.ts';

// The cost of an idle run of auto-renewal: pages and time, for the given size and for ten times as
// many rows. It must not grow with the table.

/**
 * Rows that only fill the indexes of due rows: ends up to a year ahead, and a tenth with an earlier
 * attempt.
 */
const toDueIndexSql = (subscriptions: number): string => `
  SET session_replication_role = replica;
  SET synchronous_commit = off;
  SET maintenance_work_mem = '1GB';
  UPDATE perennial.installation SET clock_at = '2026-11-24T09:00Z';
  INSERT INTO perennial.plan (key, title, groups) VALUES ('basic', '{}', '{all}');
  INSERT INTO perennial.customer (telegram_id, currency, sub_token, created_at)
    SELECT i, 'RUB', 'token' || lpad(i::text, 17, '0'), '2026-01-01Z'
    FROM generate_series(1, ${subscriptions}) AS i;
  INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at, next_try_at)
    SELECT i, 'paid', 'basic', 365, 'active', '2025-11-01Z',
      '2026-11-24T16:00Z'::timestamptz + i::float8 / ${subscriptions} * interval '365 days',
      CASE WHEN i % 10 = 0 THEN '2026-11-24T09:30Z'::timestamptz END
    FROM generate_series(1, ${subscriptions}) AS i;`;

async function build(client: pg.Client, subscriptions: number): Promise<void> {
  await client.query(toDueIndexSql(subscriptions));
  await client.query('VACUUM (ANALYZE, FREEZE)');
}

/** The pages and the time of one idle run of a worker. */
export async function measureTick(
  databases: BenchDatabases,
  name: string,
  variant: string,
  worker: string,
): Promise<Row> {
  const url = databases.url(name);
  const pool = openPool(url);
  const replica = openReplica(url);
  const { db, statements } = recordStatements(pool);
  const tickedWorker = workers.find((one) => one.name === worker);
  const tick = async (): Promise<number> => {
    const startedMs = performance.now();
    await tickedWorker?.run({
      db,
      replica,
      batchMax: 1_000,
      budgetMs: 15_000,
      signal: new AbortController().signal,
      elapsedMs: () => 0,
      log: { warn: console.error, error: console.error },
    });
    return performance.now() - startedMs;
  };
  await tick();
  const firstTick = [...statements];
  const times: number[] = [];
  while (times.length < 100) times.push(await tick());
  const explained = await explain(pool, firstTick);
  const finds = explained.filter(({ sql }) => sql.includes('perennial.subscription'));
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const row = {
    variant,
    find_buffers: sum(finds.map(({ buffers }) => buffers)),
    find_ms: sum(finds.map(({ ms }) => ms)),
    tick_statements: explained.length,
    tick_buffers: sum(explained.map(({ buffers }) => buffers)),
    tick_ms: median(times),
  };
  await replica.close();
  await db.destroy(); // closes the pool too
  return row;
}

async function idle(options: Options): Promise<Row[]> {
  await using databases = await openBenchDatabases(options.server);
  const rows: Row[] = [];
  for (const size of [options.subscriptions, 10 * options.subscriptions]) {
    const name = `idle_${size}`;
    await databases.template(name, (client) => build(client, size));
    rows.push(await measureTick(databases, name, `${size} subscriptions`, 'auto-renewal'));
    options.log(`${size} subscriptions: built and measured`);
  }
  return rows;
}

export const benchmark: Benchmark = {
  description: 'a tick with nothing due, with a million subscriptions and with ten million',
  run: idle,
};
