import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { buildBook } from '../../../bench/book.ts';
import { type Explained, explain, listening, type Sent } from '../../../bench/explain.ts';
import { type Books, freshBooks } from '../../../test/books.ts';
import { clientConfig, longLimits } from '../../db/connect.ts';
import { openReplica } from '../replica.ts';
import { runWorker } from '../runner.ts';
import { fastExpiryCleanup } from './worker.ts';

// As `auto-renewal/plans.test.ts`: what a statement reads follows from what is due.

const batchMax = 100;

async function booksOf(due: number): Promise<Books> {
  const books = await freshBooks();
  onTestFinished(() => books.close());
  const client = new pg.Client(clientConfig(books.url, longLimits));
  await client.connect();
  await buildBook(client, { subscriptions: 20_000, due, ending: true });
  await client.query(`
    INSERT INTO perennial.node (id, api, inbounds, groups, link)
    VALUES ('nl-1', '10.0.0.2:10085', '{vless}', '{all}', '{"host": "n.example", "port": 443}');
    ANALYZE perennial.node`);
  await client.end();
  return books;
}

/** One batch; what it sent. */
async function run(books: Books): Promise<Sent[]> {
  const { db, sent } = listening(books.pool);
  const replica = openReplica(books.url);
  const row = await runWorker(fastExpiryCleanup, {
    db,
    replica,
    batchMax,
    budgetMs: 1,
    signal: new AbortController().signal,
    elapsedMs: () => 0,
    log: { warn: () => undefined, error: () => undefined },
  });
  await replica.close();
  expect(row.outcome).toBe('success');
  return sent;
}

function statement(sent: readonly Sent[], text: string): Sent {
  const found = sent.find(({ sql }) => sql.includes(text));
  if (found === undefined) throw new Error(`nothing was sent with "${text}"`);
  return found;
}

test('a batch of endings reaches its rows by index: its own and no others', async () => {
  const books = await booksOf(1_000);
  // Asked again of the same books from before, so that what has ended has ended.
  const before = await booksOf(1_000);
  const sent = await run(books);
  const [found, facts, held, closed, retired] = (await explain(before.pool, [
    statement(sent, 's.expires_at <= '),
    statement(sent, 'c.telegram_id'),
    statement(sent, 'FROM perennial.quarantine'),
    statement(sent, "SET state = 'expired'"),
    statement(sent, 'SET retired_at'),
  ])) as [Explained, Explained, Explained, Explained, Explained];

  expect(found.reads).toEqual(['subscription_ending']);
  expect(found.rows).toBe(batchMax);
  expect(found.buffers).toBeLessThan(2 * batchMax);
  expect(facts.reads.toSorted()).toEqual(['customer_pkey', 'subscription_pkey']);
  expect(held.buffers).toBeLessThan(5);
  expect(closed.reads).toEqual(['subscription_pkey']);
  expect(retired.reads).toContain('credential_one_live');
  expect(retired.reads).not.toContain('Seq Scan credential');
  // Reading, writing and its indexes: some 20 pages for each.
  expect(retired.buffers).toBeLessThan(30 * batchMax);
});

test('a tick with nothing ended reads a handful of pages', async () => {
  const books = await booksOf(0);
  const explained = await explain(books.pool, await run(books));
  const reads = explained.flatMap((one) => one.reads);
  expect(reads.filter((read) => /subscription|(?<!_of_)customer|credential/.test(read))).toEqual([
    'subscription_ending',
  ]);
  expect(explained.reduce((pages, { buffers }) => pages + buffers, 0)).toBeLessThan(60);
});
