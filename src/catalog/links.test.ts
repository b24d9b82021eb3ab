import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { freshBooks } from '../../test/books.ts';
import { openShop, payer } from '../../test/shop.ts';
import { revoke } from '../subscription/granting.ts';
import { linksOf } from './links.ts';

test('a customer has a link for each node of the plan while the subscription is active', async () => {
  await using books = await freshBooks({ now: '2026-11-01T00:00:00Z' });
  await openShop(books);
  await sql`
    INSERT INTO perennial.node (id, api, inbounds, groups, link) VALUES
      ('fast-1', '127.0.0.1:2', '{vless}', '{fast}', '{"host": "fast.example.net", "port": 443}'),
      ('bad-1', '127.0.0.1:3', '{vless}', '{all}', '{"host": "bad.example.net", "port": 0}')`.execute(
    books.db,
  );
  const id = await payer(books, 1n, 0n);
  const links = await linksOf(books.db, 1n);
  expect(links.map(({ node }) => node)).toEqual(['bad-1', 'nl-1']);
  const [bad, good] = links;
  expect(bad).toMatchObject({
    link: null,
    error: expect.stringMatching(/^node bad-1: link\.port/),
  });
  expect(good?.link).toMatch(/^vless:\/\/[0-9a-f-]{36}@nl1\.example\.net:443\?type=tcp/);
  const call = { db: books.db, actor: 'test' };
  await revoke(call, { telegramId: 1n, subscriptionId: id, reason: 'test' });
  expect(await linksOf(books.db, 1n)).toEqual([]);
});
