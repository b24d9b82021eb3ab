import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { type BookSize, buildBook } from '../../../bench/book.ts';
import { type Explained, explain, listening, type Sent } from '../../../bench/explain.ts';
import { type Books, freshBooks } from '../../../test/books.ts';
import { clientConfig, longLimits } from '../../db/connect.ts';
import { openReplica } from '../replica.ts';
import { runWorker } from '../runner.ts';
import { autoRenewal } from './worker.ts';

// The plans of the hot statements, as they are sent by a run on a book that is big enough for a
// wrong one to show. What a statement reads must follow from what is due, never from the table.

/** Of twenty thousand: for one of ten, to read them all would be a right plan. */
const batchMax = 100;

async function booksOf(size: BookSize): Promise<Books> {
  const books = await freshBooks();
  onTestFinished(() => books.close());
  const client = new pg.Client(clientConfig(books.url, longLimits));
  await client.connect();
  await buildBook(client, size);
  await client.end();
  return books;
}

/** One run; what it sent. */
async function run(books: Books): Promise<Sent[]> {
  const { db, sent } = listening(books.pool);
  const replica = openReplica(books.url);
  const row = await runWorker(autoRenewal, {
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

/** The first statement that has this in its text. */
function statement(sent: readonly Sent[], text: string): Sent {
  const found = sent.find(({ sql }) => sql.includes(text));
  if (found === undefined) throw new Error(`nothing was sent with "${text}"`);
  return found;
}

test('a batch reaches its rows by index: its own and no others', async () => {
  const books = await booksOf({ subscriptions: 20_000, due: 1_000 });
  // Asked again of the same books from before, so that what is due is due.
  const before = await booksOf({ subscriptions: 20_000, due: 1_000 });
  const sent = await run(books);
  const [due, retries, lock, facts, debit, extend, postpone] = (await explain(before.pool, [
    statement(sent, 's.next_try_at IS NULL'),
    statement(sent, 's.next_try_at <= '),
    statement(sent, 'SKIP LOCKED'),
    statement(sent, 'c.telegram_id'),
    statement(sent, 'SET balance_minor = change.after_minor'),
    statement(sent, 'expires_at = paid.ends_at'),
    statement(sent, 'SET next_try_at = later.at'),
  ])) as [Explained, Explained, Explained, Explained, Explained, Explained, Explained];

  expect(due.reads).toEqual(['subscription_due']);
  expect(due.rows).toBe(batchMax);
  expect(due.buffers).toBeLessThan(2 * batchMax);
  expect(retries.reads).toEqual(['subscription_retry']);
  expect(retries.buffers).toBeLessThan(5);
  expect(lock.reads).toEqual(['customer_pkey']);
  expect(facts.reads.toSorted()).toEqual(['customer_pkey', 'subscription_pkey']);
  expect(facts.rows).toBe(batchMax);
  expect(debit.reads).toEqual(['customer_pkey']);
  expect(extend.reads).toEqual(['subscription_pkey']);
  expect(postpone.reads).toEqual(['subscription_pkey']);
});

test('a tick with nothing due reads a handful of pages and no table of customers', async () => {
  const books = await booksOf({ subscriptions: 20_000, due: 0 });
  const explained = await explain(books.pool, await run(books));
  const reads = explained.flatMap((one) => one.reads);
  expect(reads.filter((read) => /subscription|(?<!_of_)customer/.test(read))).toEqual([
    'subscription_retry',
    'subscription_due',
  ]);
  const finds = explained.filter(({ sql }) => sql.includes('perennial.subscription'));
  expect(finds.map(({ buffers }) => buffers <= 4)).toEqual([true, true]);
  const sum = explained.reduce((pages, { buffers }) => pages + buffers, 0);
  expect(sum).toBeLessThan(60);
});
