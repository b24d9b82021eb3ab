import { expect, test } from 'vitest';
import { type ExplainedStatement, explain } from '../../../../testbed/explain.ts';
import {
  batchMax,
  collectStatements,
  createLargeDatabase,
  findStatement,
} from '../../../support/query-plans.ts';

const worker = 'fast-expiry-cleanup';

const withNode = `
  INSERT INTO perennial.node (id, api, inbounds, groups, link)
  VALUES ('nl-1', '10.0.0.2:10085', '{vless}', '{all}', '{"host": "n.example", "port": 443}');
  ANALYZE perennial.node`;

const ending = (due: number) =>
  createLargeDatabase({ subscriptions: 20_000, due, ending: true }, withNode);

test('a batch of endings reaches its rows by index: its own and no others', async () => {
  const database = await ending(1_000);
  // Repeated with the database of an earlier time, so that the same rows have ended.
  const before = await ending(1_000);
  const sent = await collectStatements(database, worker);
  const [found, facts, held, closed, retired] = (await explain(before.pool, [
    findStatement(sent, 's.expires_at <= '),
    findStatement(sent, 'c.telegram_id'),
    findStatement(sent, 'FROM perennial.quarantine'),
    findStatement(sent, "SET state = 'expired'"),
    findStatement(sent, 'SET retired_at'),
  ])) as [
    ExplainedStatement,
    ExplainedStatement,
    ExplainedStatement,
    ExplainedStatement,
    ExplainedStatement,
  ];

  expect(found.reads).toEqual(['subscription_ending']);
  expect(found.rows).toBe(batchMax);
  expect(found.buffers).toBeLessThan(2 * batchMax);
  // `known_price` is empty here, so a scan of it reads no page.
  expect(facts.reads.filter((read) => !read.includes('known_price')).toSorted()).toEqual([
    'customer_pkey',
    'period_one_charge',
    'period_refunded',
    'subscription_pkey',
  ]);
  expect(held.buffers).toBeLessThan(5);
  expect(closed.reads).toEqual(['subscription_pkey']);
  expect(retired.reads).toContain('credential_one_live');
  expect(retired.reads).not.toContain('Seq Scan credential');
  // Reads, writes and indexes: about 20 pages for each.
  expect(retired.buffers).toBeLessThan(30 * batchMax);
});

test('a run with nothing ended reads a handful of pages', async () => {
  const database = await ending(0);
  const explained = await explain(database.pool, await collectStatements(database, worker));
  const reads = explained.flatMap((one) => one.reads);
  expect(reads.filter((read) => /subscription|(?<!_of_)customer|credential/.test(read))).toEqual([
    'subscription_changing',
    'subscription_ending',
  ]);
  expect(explained.reduce((pages, { buffers }) => pages + buffers, 0)).toBeLessThan(60);
});
