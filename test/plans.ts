import pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { type BookSize, buildBook } from '../bench/book.ts';
import { listening, type Sent } from '../bench/explain.ts';
import { clientConfig, longLimits } from '../src/db/connect.ts';
import { runOf } from './a-book.ts';
import { type Books, freshBooks } from './books.ts';

// The plans of hot statements, as they are sent by a run on a book that is big enough for a wrong
// one to show. What a statement reads must follow from what is due, never from the table.

/** Of twenty thousand: for one of ten, to read them all would be a right plan. */
export const batchMax = 100;

/** @param more SQL that comes after */
export async function booksOf(size: BookSize, more = ''): Promise<Books> {
  const books = await freshBooks();
  onTestFinished(() => books.close());
  const client = new pg.Client(clientConfig(books.url, longLimits));
  await client.connect();
  await buildBook(client, size);
  if (more !== '') await client.query(more);
  await client.end();
  return books;
}

/** One batch; what it sent. */
export async function sentBy(books: Pick<Books, 'pool' | 'url'>, worker: string): Promise<Sent[]> {
  const { db, sent } = listening(books.pool);
  const options = { batchMax, budgetMs: 1, elapsedMs: () => 0 };
  const row = await runOf({ db, url: books.url }, worker, options);
  expect(row.outcome).toBe('success');
  return sent;
}

/** The first statement that has this in its text. */
export function statement(sent: readonly Sent[], text: string): Sent {
  const found = sent.find(({ sql }) => sql.includes(text));
  if (found === undefined) throw new Error(`nothing was sent with "${text}"`);
  return found;
}
