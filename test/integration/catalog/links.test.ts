import { expect, test } from 'vitest';
import { readCustomerLinks } from '../../../src/catalog/links.ts';
import { revoke } from '../../../src/subscription/commands/revoke.ts';
import { createCaller, createShopDatabase, createSubscriber } from '../../support/shop.ts';

test('a customer has a link for each node of the plan while the subscription is active', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  await database.query`
    INSERT INTO perennial.node (id, api, inbounds, groups, link) VALUES
      ('fast-1', '127.0.0.1:2', '{vless}', '{fast}', '{"host": "fast.example.net", "port": 443}'),
      ('bad-1', '127.0.0.1:3', '{vless}', '{all}', '{"host": "bad.example.net", "port": 0}')`;
  const id = await createSubscriber(database, 1n, 0n);
  const links = await readCustomerLinks(database.db, 1n);
  expect(links.map(({ node }) => node)).toEqual(['bad-1', 'nl-1']);
  const [bad, good] = links;
  expect(bad).toMatchObject({
    link: null,
    error: expect.stringMatching(/^node bad-1: link\.port/),
  });
  expect(good?.link).toMatch(/^vless:\/\/[0-9a-f-]{36}@nl1\.example\.net:443\?type=tcp/);
  const call = createCaller(database);
  await revoke(call, { telegramId: 1n, subscriptionId: id, reason: 'test' });
  expect(await readCustomerLinks(database.db, 1n)).toEqual([]);
});

/** The names that a client shows for the links of a customer. */
const readLinkNames = async (
  db: Parameters<typeof readCustomerLinks>[0],
  subscriptionId?: bigint,
) =>
  (await readCustomerLinks(db, 1n, subscriptionId)).map(({ link }) =>
    decodeURIComponent(new URL(link ?? '').hash.slice(1)),
  );

test('each link of a customer has a unique name, which is the same for one subscription and for all', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  const first = await createSubscriber(database, 1n, 0n);
  expect(await readLinkNames(database.db)).toEqual(['nl-1']);
  await database.query`
    INSERT INTO perennial.node (id, api, inbounds, groups, link) VALUES
      ('a-1', '127.0.0.1:2', '{vless}', '{all}', '{"host": "a", "port": 1, "name": "Fast"}'),
      ('a-2', '127.0.0.1:3', '{vless}', '{all}', '{"host": "b", "port": 1, "name": "Fast"}')`;
  expect(await readLinkNames(database.db)).toEqual(['Fast (a-1)', 'Fast (a-2)', 'nl-1']);
  const rows = await database.query<{ id: bigint }>`
    WITH one AS (
      INSERT INTO perennial.subscription (customer_id, kind, plan, period_days, state, started_at, expires_at)
      SELECT customer_id, kind, plan, period_days, state, started_at, expires_at
      FROM perennial.subscription RETURNING id, customer_id)
    INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at)
    SELECT gen_random_uuid(), id, customer_id, perennial.clock() FROM one
    RETURNING subscription_id AS id`;
  const second = rows[0]?.id as bigint;
  const names = await readLinkNames(database.db);
  expect(new Set(names).size).toBe(6);
  expect(names).toContain(`nl-1 #${first}`);
  expect(await readLinkNames(database.db, second)).toEqual(names.slice(3));
});
