import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { freshBooks } from '../../test/books.ts';
import { openReplica } from './replica.ts';

test('a replica that gets no number keeps no connection, however often it tries', async () => {
  await using books = await freshBooks();
  await sql`ALTER SEQUENCE perennial.replica_number RENAME TO another`.execute(books.db);
  const replica = openReplica(books.url);
  for (let n = 0; n < 5; n += 1) await expect(replica.number()).rejects.toThrow('does not exist');
  const { rows } = await sql<{ others: bigint }>`
    SELECT count(*) AS others FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`.execute(books.db);
  expect(rows).toEqual([{ others: 0n }]);
  await sql`ALTER SEQUENCE perennial.another RENAME TO replica_number`.execute(books.db);
  expect(await replica.number()).toBeGreaterThan(0);
  await replica.close();
});
