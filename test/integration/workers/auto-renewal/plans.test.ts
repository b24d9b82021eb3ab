import { expect, test } from 'vitest';
import { type ExplainedStatement, explain } from '../../../../testbed/explain.ts';
import {
  batchMax,
  collectStatements,
  createLargeDatabase,
  findStatement,
} from '../../../support/query-plans.ts';

const worker = 'auto-renewal';

test('a batch reaches its rows by index: its own and no others', async () => {
  const database = await createLargeDatabase({ subscriptions: 20_000, due: 1_000 });
  // Repeated with the database of an earlier time, so that the same rows are due.
  const before = await createLargeDatabase({ subscriptions: 20_000, due: 1_000 });
  const sent = await collectStatements(database, worker);
  const [due, retries, lock, facts, debit, extend, postpone] = (await explain(before.pool, [
    findStatement(sent, 's.next_try_at IS NULL'),
    findStatement(sent, 's.next_try_at <= '),
    findStatement(sent, 'SKIP LOCKED'),
    findStatement(sent, 'c.telegram_id'),
    findStatement(sent, 'SET balance_minor = change.after_minor'),
    findStatement(sent, 'expires_at = paid.ends_at'),
    findStatement(sent, 'SET next_try_at = later.at'),
  ])) as [
    ExplainedStatement,
    ExplainedStatement,
    ExplainedStatement,
    ExplainedStatement,
    ExplainedStatement,
    ExplainedStatement,
    ExplainedStatement,
  ];

  expect(due.reads).toEqual(['subscription_due']);
  expect(due.rows).toBe(batchMax);
  expect(due.buffers).toBeLessThan(2 * batchMax);
  expect(retries.reads).toEqual(['subscription_retry']);
  expect(retries.buffers).toBeLessThan(5);
  expect(lock.reads.toSorted()).toEqual(['customer_pkey', 'subscription_pkey']);
  // `known_price` is empty here, so a scan of it reads no page.
  expect(facts.reads.filter((read) => !read.includes('known_price')).toSorted()).toEqual([
    'customer_pkey',
    'period_one_charge',
    'period_refunded',
    'subscription_pkey',
  ]);
  expect(facts.rows).toBe(batchMax);
  expect(debit.reads).toEqual(['customer_pkey']);
  expect(extend.reads).toEqual(['subscription_pkey']);
  expect(postpone.reads).toEqual(['subscription_pkey']);
});

test('a run with nothing due reads a handful of pages and no table of customers', async () => {
  const database = await createLargeDatabase({ subscriptions: 20_000, due: 0 });
  const explained = await explain(database.pool, await collectStatements(database, worker));
  const reads = explained.flatMap((one) => one.reads);
  expect(reads.filter((read) => /subscription|(?<!_of_)customer/.test(read))).toEqual([
    'subscription_retry',
    'subscription_due',
  ]);
  const finds = explained.filter(({ sql }) => sql.includes('perennial.subscription'));
  expect(finds.map(({ buffers }) => buffers <= 4)).toEqual([true, true]);
  expect(explained.reduce((pages, { buffers }) => pages + buffers, 0)).toBeLessThan(60);
});
