import { sql } from 'kysely';
import pg from 'pg';
import { expect, test } from 'vitest';
import { inTransaction } from '../../../src/db/connect.ts';
import { deferWakes, wakeChannel, wakeWorker } from '../../../src/db/notify.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { expectFault } from '../../support/faults.ts';

/** Receives wake-ups as a service does. `readReceived` returns the names since its last call. */
async function openListener(
  database: TestDatabase,
): Promise<AsyncDisposable & { readReceived(): Promise<string[]> }> {
  const client = new pg.Client({ connectionString: database.url });
  const names: string[] = [];
  client.on('notification', ({ payload }) => names.push(payload ?? ''));
  await client.connect();
  await client.query(`LISTEN ${wakeChannel}`);
  return {
    [Symbol.asyncDispose]: () => client.end(),
    // PostgreSQL sends a notification before the answer to the next statement.
    async readReceived() {
      await client.query('SELECT 1');
      return names.splice(0);
    },
  };
}

const fail = (error: unknown) => {
  throw error;
};

test('deferred wake-ups of many transactions become a few notifications, and none is lost', async () => {
  await using database = await createDatabase();
  await using listener = await openListener(database);
  const deferredWakes = deferWakes(database.db, fail);
  const commits = Array.from({ length: 200 }, (_, at) =>
    inTransaction(database.db, (tx) => wakeWorker(tx, at % 2 === 0 ? 'auto-renewal' : 'keep-node')),
  );
  await Promise.all(commits);
  await deferredWakes.flush();
  const names = await listener.readReceived();
  expect(new Set(names)).toEqual(new Set(['auto-renewal', 'keep-node']));
  expect(names.length).toBeLessThan(100);
  // A wake-up after a pause is also sent.
  await inTransaction(database.db, (tx) => wakeWorker(tx, 'auto-renewal'));
  await deferredWakes.flush();
  expect(await listener.readReceived()).toEqual(['auto-renewal']);
});

test('a transaction that is rolled back wakes no worker, and an inner transaction wakes with the outer one', async () => {
  await using database = await createDatabase();
  await using listener = await openListener(database);
  const deferredWakes = deferWakes(database.db, fail);
  const undone = inTransaction(database.db, async (tx) => {
    await wakeWorker(tx, 'auto-renewal');
    await sql`SELECT 1/0`.execute(tx);
  });
  await expectFault(undone, '22012');
  await inTransaction(database.db, (tx) =>
    inTransaction(tx, (inner) => wakeWorker(inner, 'keep-node')),
  );
  await deferredWakes.flush();
  expect(await listener.readReceived()).toEqual(['keep-node']);
});

test('without deferral the wake-up is part of the transaction', async () => {
  await using database = await createDatabase();
  await using listener = await openListener(database);
  await inTransaction(database.db, (tx) => wakeWorker(tx, 'auto-renewal'));
  expect(await listener.readReceived()).toEqual(['auto-renewal']);
});
