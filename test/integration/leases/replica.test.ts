import { expect, test } from 'vitest';
import { openReplica } from '../../../src/leases/replica.ts';
import { createDatabase } from '../../support/database.ts';

test('a replica that gets no number keeps no connection after any number of attempts', async () => {
  await using database = await createDatabase();
  await database.query`ALTER SEQUENCE perennial.replica_number RENAME TO another`;
  const replica = openReplica(database.url);
  for (let n = 0; n < 5; n += 1)
    await expect(replica.lockNumber()).rejects.toThrow('does not exist');
  const rows = await database.query<{ others: bigint }>`
    SELECT count(*) AS others FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`;
  expect(rows).toEqual([{ others: 0n }]);
  await database.query`ALTER SEQUENCE perennial.another RENAME TO replica_number`;
  expect(await replica.lockNumber()).toBeGreaterThan(0);
  await replica.close();
});
