import { expect, onTestFinished, test } from 'vitest';
import { importCustomers } from '../../../src/import-export/import.ts';
import { stockMissing } from '../../../testbed/stock-server.ts';
import { createShop } from '../../support/shop.ts';
import {
  createStockDatabases,
  hasStock,
  type StockDatabase,
} from '../../support/stock-database.ts';

// An import on a PostgreSQL with default settings and without statistics. PostgreSQL counts the
// rows that it reads, also those of triggers. Their number depends on the lines of the file alone.

const lines = 8_000;
const columns = 'telegram_id,currency,balance,kind,plan,period_days,expires_at,auto_renew,uuid';

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

const file = (from: number): Buffer[] => [
  Buffer.from(`${columns}\n`),
  ...Array.from({ length: lines }, (_, at) => {
    const n = from + at;
    // Each customer has two subscriptions.
    const customer = Math.floor(n / 2) + 1;
    return Buffer.from(`${customer},RUB,100,paid,basic,30,2100-01-01T00:00:00Z,false,${uuid(n)}\n`);
  }),
];

async function* blocks(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

test('an import reads fewer than 30 rows per line on a stock server without statistics', {
  timeout: 240_000,
}, async ({ skip }) => {
  if (!hasStock) skip(stockMissing);
  const [database] = (await createStockDatabases(1, async () => undefined)) as [StockDatabase];
  onTestFinished(() => database.db.destroy());
  await createShop(database);
  const rowsRead = async () => {
    const { rows } = await database.pool.query(`
        SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::float8 AS read
        FROM pg_stat_user_tables WHERE schemaname = 'perennial'`);
    return Number(rows[0]?.read);
  };
  for (const from of [0, lines]) {
    const before = await rowsRead();
    const outcome = await importCustomers({
      url: database.url,
      source: blocks(file(from)),
      format: 'csv',
      currency: 'RUB',
      actor: 'test',
    });
    expect(outcome).toMatchObject({ outcome: 'imported' });
    const read = (await rowsRead()) - before;
    expect(read).toBeGreaterThan(lines);
    expect(read).toBeLessThan(30 * lines);
  }
});
