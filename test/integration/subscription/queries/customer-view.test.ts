import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { readCustomerLinks } from '../../../../src/catalog/links.ts';
import { createCustomer } from '../../../../src/subscription/commands/customer.ts';
import {
  readCustomerKey,
  readCustomerView,
  readSubscriptionPage,
} from '../../../../src/subscription/queries/customer-view.ts';
import { explain, recordStatements } from '../../../../testbed/explain.ts';
import { createReseller, createShopDatabase, firstSubscriber } from '../../../support/shop.ts';

test('W4: the view of a customer with 250 subscriptions is bounded, and pages list all of them', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  const { db } = database;
  await createCustomer({ db, actor: 'test' }, { telegramId: 1n, currency: 'RUB' });
  await sql`
    INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at,
      expires_at)
    SELECT id, 'paid', 'basic', 30, CASE WHEN n <= 130 THEN 'active' ELSE 'expired' END,
      '2026-10-20Z', '2026-11-20Z'
    FROM perennial.customer, generate_series(1, 250) n`.execute(db);
  await sql`
    INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at)
    SELECT gen_random_uuid(), id, customer_id, started_at FROM perennial.subscription
    WHERE state = 'active'`.execute(db);
  const { subscriptions, subscriptions_total } = await readCustomerView(db, 1n, 10);
  expect(subscriptions_total).toBe(250);
  // The latest of the active ones.
  expect(subscriptions.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, n) => n + 31));
  expect(await readCustomerLinks(db, 1n)).toHaveLength(100);
  const one = await readCustomerView(db, 1n, 0, subscriptions[0]?.id as never);
  expect(one.subscriptions).toHaveLength(1);
  const customer = await readCustomerKey(db, 1n);
  const listed: number[] = [];
  for (let before: bigint | undefined; ; before = BigInt(listed.at(-1) as number)) {
    const page = await readSubscriptionPage(db, customer, { max: 100, before });
    if (page.length === 0) break;
    listed.push(...page.map(({ id }) => id));
  }
  expect(listed).toEqual(Array.from({ length: 250 }, (_, n) => 250 - n));
});

test('W4: a page of a customer with 10,000 subscriptions is one statement with a constant cost for each', async () => {
  await using database = await createReseller(
    '2026-11-01T00:00:00Z',
    10_000,
    '2026-11-20T00:00:00Z',
  );
  const customer = await readCustomerKey(database.db, firstSubscriber);
  const { db, statements } = recordStatements(database.pool);
  expect(await readSubscriptionPage(db, customer, { max: 50 })).toHaveLength(50);
  expect(statements).toHaveLength(1);
  const [page] = await explain(database.pool, statements);
  // About 9 pages for each subscription: its prices, its charges and its last period.
  expect(page?.buffers).toBeLessThan(15 * 10_000);
});
