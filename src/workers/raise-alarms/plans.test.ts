import { sql } from 'kysely';
import pg from 'pg';
import { expect, test } from 'vitest';
import { buildBook } from '../../../bench/book.ts';
import { explain, listening } from '../../../bench/explain.ts';
import { freshBooks } from '../../../test/books.ts';
import { clientConfig, inTransaction, longLimits } from '../../db/connect.ts';
import { readFacts } from '../../notify/facts.ts';
import { openReplica } from '../replica.ts';
import { raiseAlarms } from './worker.ts';

// What is asked every minute, and of every notice, on a book that is big enough for a wrong plan
// to show: nothing may grow with the tables.

test('a look at quiet books, and the facts of a notice, read a handful of pages', async () => {
  await using books = await freshBooks();
  const client = new pg.Client(clientConfig(books.url, longLimits));
  await client.connect();
  await buildBook(client, { subscriptions: 20_000, due: 0 });
  await client.end();
  await sql`
    INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
      params, next_attempt_at, created_at)
    SELECT customer_id, id, 'telegram', 'ends_3d', 'n' || id, '{"plan": "basic"}', perennial.clock(),
      perennial.clock()
    FROM perennial.subscription`.execute(books.db);
  await sql`ANALYZE`.execute(books.db);
  const { db, sent } = listening(books.pool);
  const replica = openReplica(books.url);
  await raiseAlarms.run({
    db,
    replica,
    batchMax: 1,
    budgetMs: 1,
    signal: new AbortController().signal,
    elapsedMs: () => 0,
    log: { warn: () => undefined, error: () => undefined },
  });
  await replica.close();
  const look = await explain(books.pool, sent);
  expect(look.reduce((pages, { buffers }) => pages + buffers, 0)).toBeLessThan(60);
  expect(look.flatMap(({ reads }) => reads)).toContain('notification_of_customer');

  const { rows } = await sql<{ id: bigint; now: never }>`
    SELECT id, perennial.clock() AS now FROM perennial.notification
    ORDER BY id LIMIT 1`.execute(books.db);
  const one = rows[0] as { id: bigint; now: never };
  const asked = listening(books.pool);
  await inTransaction(asked.db, (tx) => readFacts(tx, [one.id], one.now));
  const facts = await explain(books.pool, asked.sent);
  expect(facts.reduce((pages, { buffers }) => pages + buffers, 0)).toBeLessThan(60);
});
