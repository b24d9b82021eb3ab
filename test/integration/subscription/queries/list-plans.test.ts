import { expect, onTestFinished, test } from 'vitest';
import { listCustomers } from '../../../../src/subscription/queries/customer-list.ts';
import { findCustomers } from '../../../../src/subscription/queries/lookup.ts';
import { parseWhere } from '../../../../src/subscription/queries/subscription-filter.ts';
import { listSubscriptions } from '../../../../src/subscription/queries/subscription-list.ts';
import { buildDataset } from '../../../../testbed/dataset.ts';
import { type ExplainedStatement, explain, recordStatements } from '../../../../testbed/explain.ts';
import { stockMissing } from '../../../../testbed/stock-server.ts';
import { createStockDatabases, hasStock } from '../../../support/stock-database.ts';

// The plans of lists on a PostgreSQL with default settings and without statistics, on 20,000
// subscriptions. A page reads the rows that it examines, by an index, and never a whole table.

const growingTables =
  /Seq Scan (subscription|customer|period|ledger_entry|credential|known_price)\b/;

/** Pages of 8 kB for 3,000 examined rows, each with its customer or subscription. */
const buffersMax = 3_000 * 8;

const filters = [
  '',
  'state=active',
  'state=revoked',
  'plan=plus,kind=trial,auto_renew=no',
  'node_group=fast,state=expired',
  'ends_after=2026-12-01,ends_before=2026-12-08',
  'blocked=yes',
  'unreachable=yes,state=active',
  'short=yes',
];

test('a page of each list and filter reads its rows by an index', { timeout: 120_000 }, async ({
  skip,
}) => {
  if (!hasStock) skip(stockMissing);
  const [stock] = await createStockDatabases(1, async (client) => {
    await buildDataset(client, { subscriptions: 20_000, due: 100 });
    await client.query('UPDATE perennial.customer SET reachable = false WHERE id % 5000 = 1');
  });
  if (stock === undefined) throw new Error('a database expected');
  onTestFinished(() => stock.db.destroy());
  const { db, statements } = recordStatements(stock.pool);
  const orders = [
    ['id', listCustomers],
    ['-telegram_id', listCustomers],
    ['-id', listSubscriptions],
    ['expires_at', listSubscriptions],
  ] as const;
  for (const where of filters) {
    for (const [sort, list] of orders) {
      const request = { filter: parseWhere(where), max: 50, sort };
      const { next_cursor: cursor } = await list(db, request);
      if (cursor !== null) await list(db, { ...request, cursor });
    }
  }
  for (const value of ['100000001', 'c7', 'a'.repeat(22), 'ref-1']) await findCustomers(db, value);
  const explained = await explain(stock.pool, statements);
  const isWrong = ({ reads, buffers }: ExplainedStatement) =>
    growingTables.test(reads.join()) || buffers > buffersMax;
  expect(explained.filter(isWrong)).toEqual([]);
  expect(explained.length).toBeGreaterThan(filters.length * orders.length);
});
