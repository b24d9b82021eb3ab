import type pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { buildDataset } from '../../../testbed/dataset.ts';
import { type ExplainedStatement, explain } from '../../../testbed/explain.ts';
import { stockMissing } from '../../../testbed/stock-server.ts';
import { batchMax, collectStatements } from '../../support/query-plans.ts';
import { createStockDatabases, hasStock } from '../../support/stock-database.ts';

// The statements of a run on a PostgreSQL with default settings and without statistics, on 20,000
// subscriptions. There too, the pages that they read depend on the batch, never on the tables.

const node = `
  INSERT INTO perennial.node (id, api, inbounds, groups, link)
  VALUES ('nl-1', '10.0.0.2:10085', '{vless}', '{all}', '{"host": "n.example", "port": 443}')`;

/** Some reminders of trials and of ends are due. */
const reminders = `
  UPDATE perennial.subscription s SET remind_at = '2026-11-24T08:59Z'
  WHERE state = 'active' AND (kind = 'trial' OR id % 9 = 0)`;

const size = { subscriptions: 20_000, due: 1_000 };

const createBuild = (worker: string) => async (client: pg.Client) => {
  await buildDataset(client, { ...size, ending: worker === 'fast-expiry-cleanup' });
  await client.query(node);
  if (/reminders|notifications/.test(worker)) await client.query(reminders);
};

const growingTables =
  /Seq Scan (subscription|customer|period|ledger_entry|credential|notification|event|access_sync)\b/;

const workers = ['auto-renewal', 'fast-expiry-cleanup', 'trial-notifications', 'expiry-reminders'];

test.for(workers)(
  'a batch of %s reads no table as a whole on a stock server without statistics',
  { timeout: 120_000 },
  async (worker, { skip }) => {
    if (!hasStock) skip(stockMissing);
    const [run, before] = await createStockDatabases(2, createBuild(worker));
    if (run === undefined || before === undefined) throw new Error('two databases expected');
    onTestFinished(async () => {
      await run.db.destroy();
      await before.db.destroy();
    });
    const explained = await explain(before.pool, await collectStatements(run, worker));
    const wrong = ({ reads, buffers, rows }: ExplainedStatement) =>
      growingTables.test(reads.join()) || buffers > 60 * Math.max(rows, batchMax);
    expect(explained.filter(wrong)).toEqual([]);
    expect(explained.some(({ rows }) => rows >= batchMax)).toBe(true);
  },
);
