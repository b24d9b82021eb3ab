import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll } from 'vitest';
import {
  findStock,
  forgetStatistics,
  type StockServer,
  startStock,
} from '../bench/stock-server.ts';
import { clientConfig, longLimits, openBooks, openPool } from '../src/db/connect.ts';
import { migrate } from '../src/db/migrate.ts';
import type { Books } from './books.ts';

// Databases on the PostgreSQL of the system: default settings, `jit` on, and tables that were never
// analyzed. One server for each test file, started at first use.

/** False if the system has no PostgreSQL: such tests are skipped with `stockMissing`. */
export const hasStock = (await findStock()) !== undefined;

let started: Promise<StockServer> | undefined;
afterAll(async () => (await started)?.stop());

const urlOf = (server: StockServer, name: string): string => {
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return url.href;
};

async function using(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(clientConfig(url, longLimits));
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

export type StockBooks = Pick<Books, 'url' | 'pool' | 'db'>;

/** Equal databases, filled once by `build` and without statistics. They go with their server. */
export async function stockBooks(
  count: number,
  build: (client: pg.Client) => Promise<unknown>,
): Promise<StockBooks[]> {
  started ??= startStock({ statistics: false });
  const server = await started;
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  await using(server.url, (admin) => admin.query(`CREATE DATABASE ${name}`));
  await migrate(urlOf(server, name), { test: true });
  await using(urlOf(server, name), build);
  await using(urlOf(server, name), forgetStatistics);
  const books: StockBooks[] = [];
  for (let n = 1; n <= count; n += 1) {
    const copy = `${name}_${n}`;
    await using(server.url, (admin) => admin.query(`CREATE DATABASE ${copy} TEMPLATE ${name}`));
    const url = urlOf(server, copy);
    const pool = openPool(url);
    books.push({ url, pool, db: openBooks(pool) });
  }
  return books;
}
