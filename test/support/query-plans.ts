import pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { longLimits, toClientConfig } from '../../src/db/connect.ts';
import { buildDataset, type DatasetSize } from '../../testbed/dataset.ts';
import { type RecordedStatement, recordStatements } from '../../testbed/explain.ts';
import { createDatabase, type TestDatabase } from './database.ts';
import { runWorker } from './shop.ts';

// The plans of hot statements, as they are sent by a run on a book that is big enough for a wrong
// one to show. What a statement reads must follow from what is due, never from the table.

/** Of twenty thousand: for one of ten, to read them all would be a right plan. */
export const batchMax = 100;

/** @param more SQL that comes after */
export async function createLargeDatabase(size: DatasetSize, more = ''): Promise<TestDatabase> {
  const database = await createDatabase();
  onTestFinished(() => database.close());
  const client = new pg.Client(toClientConfig(database.url, longLimits));
  await client.connect();
  await buildDataset(client, size);
  if (more !== '') await client.query(more);
  await client.end();
  return database;
}

/** One batch; what it sent. */
export async function collectStatements(
  database: Pick<TestDatabase, 'pool' | 'url'>,
  worker: string,
): Promise<RecordedStatement[]> {
  const { db, statements } = recordStatements(database.pool);
  const options = { batchMax, budgetMs: 1, elapsedMs: () => 0 };
  const row = await runWorker({ db, url: database.url }, worker, options);
  expect(row.outcome).toBe('success');
  return statements;
}

/** The first statement that has this in its text. */
export function findStatement(sent: readonly RecordedStatement[], text: string): RecordedStatement {
  const found = sent.find(({ sql }) => sql.includes(text));
  if (found === undefined) throw new Error(`nothing was sent with "${text}"`);
  return found;
}
