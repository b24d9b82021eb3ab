import { expect, test } from 'vitest';
import { forecastOutcomes } from '../../../src/forecast/forecast.ts';
import { type ExplainedStatement, explain, recordStatements } from '../../../testbed/explain.ts';
import { createLargeDatabase, findStatement } from '../../support/query-plans.ts';
import { runWorker } from '../../support/shop.ts';

// Plans of the statements of a forecast and of the spend guard, on a database that is large enough
// to show a wrong plan.

test('a page of a forecast reads its customers, their subscriptions and last charges by index', async () => {
  const database = await createLargeDatabase({ subscriptions: 20_000, due: 1_000 });
  const { db, statements } = recordStatements(database.pool);
  await forecastOutcomes(db, { days: 30 }, () => undefined);
  const [page] = (await explain(database.pool, [
    findStatement(statements, 'price."paidMinor"'),
  ])) as [ExplainedStatement];
  expect(page.reads.filter((read) => !read.includes('known_price')).toSorted()).toEqual([
    'customer_pkey',
    'period_one_charge',
    'period_refunded',
    'subscription_customer_id_id_key',
  ]);
  expect(page.buffers).toBeLessThan(30_000);
});

test('the spend guard counts the due charges of a run by the index of due rows', async () => {
  const database = await createLargeDatabase({ subscriptions: 20_000, due: 1_000 });
  await runWorker(database, 'store-forecast');
  const before = await createLargeDatabase({ subscriptions: 20_000, due: 1_000 });
  const { db, statements } = recordStatements(database.pool);
  const run = await runWorker({ db, url: database.url }, 'auto-renewal');
  expect(run.outcome).toBe('success');
  const [few, all] = (await explain(before.pool, [
    findStatement(statements, 'AS "dueCount"'),
    findStatement(statements, 'GROUP BY 1, 2, 3, 4, 5'),
  ])) as [ExplainedStatement, ExplainedStatement];
  expect(few.reads).toContain('subscription_due');
  expect(few.reads).toContain('notification_dedupe_key_key');
  // At most 101 rows, with a search by key for each.
  expect(few.buffers).toBeLessThan(600);
  expect(all.reads).toContain('subscription_due');
  expect(statements.filter(({ sql }) => sql.includes('"dueCount"'))).toHaveLength(1);
});

test('a run with a few due charges does not sum them up', async () => {
  const database = await createLargeDatabase({ subscriptions: 2_000, due: 50 });
  await runWorker(database, 'store-forecast');
  const { db, statements } = recordStatements(database.pool);
  await runWorker({ db, url: database.url }, 'auto-renewal');
  expect(statements.filter(({ sql }) => sql.includes('GROUP BY 1, 2, 3, 4, 5'))).toEqual([]);
});
