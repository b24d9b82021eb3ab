import pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { longLimits, toClientConfig } from '../../src/db/connect.ts';
import { buildDataset, type DatasetSize } from '../../testbed/dataset.ts';
import { type RecordedStatement, recordStatements } from '../../testbed/explain.ts';
import { createDatabase, type TestDatabase } from './database.ts';
import { runWorker } from './shop.ts';

// Plans of frequent statements, as a run sends them to a database that is large enough to show a
// wrong plan. The cost of a statement must depend on the due rows, and never on the size of the
// table.

/** A batch of 20,000 subscriptions. For ten of them, a scan of the table would be a right plan. */
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

/** The statements of one batch. */
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

/** The first statement that contains this text. */
export function findStatement(sent: readonly RecordedStatement[], text: string): RecordedStatement {
  const found = sent.find(({ sql }) => sql.includes(text));
  if (found === undefined) throw new Error(`nothing was sent with "${text}"`);
  return found;
}
