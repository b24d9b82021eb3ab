import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll } from 'vitest';
import { longLimits, openDatabase, openPool, toClientConfig } from '../../src/db/connect.ts';
import { migrate } from '../../src/db/migrate.ts';
import {
  clearStatistics,
  findStock,
  type StockServer,
  startStock,
} from '../../testbed/stock-server.ts';
import type { TestDatabase } from './database.ts';

// Databases on the PostgreSQL of the system: default settings, `jit` on, tables that were never
// analyzed. Each test file has one server, started at its first use.

/** False if the system has no PostgreSQL. Such tests are skipped with `stockMissing`. */
export const hasStock = (await findStock()) !== undefined;

let serverStart: Promise<StockServer> | undefined;
afterAll(async () => (await serverStart)?.stop());

const toUrl = (server: StockServer, name: string): string => {
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return url.href;
};

async function withClient(
  url: string,
  work: (client: pg.Client) => Promise<unknown>,
): Promise<void> {
  const client = new pg.Client(toClientConfig(url, longLimits));
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

export type StockDatabase = Pick<TestDatabase, 'url' | 'pool' | 'db'>;

/**
 * Equal databases, filled once by `build`, without statistics. They are removed with their server.
 */
export async function createStockDatabases(
  count: number,
  build: (client: pg.Client) => Promise<unknown>,
): Promise<StockDatabase[]> {
  serverStart ??= startStock({ statistics: false });
  const server = await serverStart;
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  await withClient(server.url, (admin) => admin.query(`CREATE DATABASE ${name}`));
  await migrate(toUrl(server, name), { test: true });
  await withClient(toUrl(server, name), build);
  await withClient(toUrl(server, name), clearStatistics);
  const databases: StockDatabase[] = [];
  for (let n = 1; n <= count; n += 1) {
    const copy = `${name}_${n}`;
    await withClient(server.url, (admin) =>
      admin.query(`CREATE DATABASE ${copy} TEMPLATE ${name}`),
    );
    const url = toUrl(server, copy);
    const pool = openPool(url);
    databases.push({ url, pool, db: openDatabase(pool) });
  }
  return databases;
}
