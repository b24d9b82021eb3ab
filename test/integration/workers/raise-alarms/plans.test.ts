import pg from 'pg';
import { expect, test } from 'vitest';
import { inTransaction, longLimits, toClientConfig } from '../../../../src/db/connect.ts';
import { openReplica } from '../../../../src/leases/replica.ts';
import { readRelevanceFacts } from '../../../../src/notifications/relevance-store.ts';
import { raiseAlarmsWorker } from '../../../../src/workers/raise-alarms/worker.ts';
import { buildDataset } from '../../../../testbed/dataset.ts';
import { explain, recordStatements } from '../../../../testbed/explain.ts';
import { createDatabase } from '../../../support/database.ts';
import { silentLog } from '../../../support/log.ts';

// The statements of every minute, and of every notification, on a database that is large enough to
// show a wrong plan. No cost may grow with the tables.

test('a check without problems, and the facts of a notification, read a handful of pages', async () => {
  await using database = await createDatabase();
  const client = new pg.Client(toClientConfig(database.url, longLimits));
  await client.connect();
  await buildDataset(client, { subscriptions: 20_000, due: 0 });
  await client.end();
  await database.query`
    INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
      params, next_attempt_at, created_at)
    SELECT customer_id, id, 'telegram', 'ends_3d', 'n' || id, '{"plan": "basic"}', perennial.clock(),
      perennial.clock()
    FROM perennial.subscription`;
  await database.query`ANALYZE`;
  const { db, statements } = recordStatements(database.pool);
  const replica = openReplica(database.url);
  await raiseAlarmsWorker.run({
    db,
    replica,
    batchMax: 1,
    budgetMs: 1,
    signal: new AbortController().signal,
    elapsedMs: () => 0,
    log: silentLog,
  });
  await replica.close();
  const look = await explain(database.pool, statements);
  expect(look.reduce((pages, { buffers }) => pages + buffers, 0)).toBeLessThan(60);
  expect(look.flatMap(({ reads }) => reads)).toContain('notification_of_customer');

  const rows = await database.query<{ id: bigint; now: never }>`
    SELECT id, perennial.clock() AS now FROM perennial.notification
    ORDER BY id LIMIT 1`;
  const one = rows[0] as { id: bigint; now: never };
  const asked = recordStatements(database.pool);
  await inTransaction(asked.db, (tx) => readRelevanceFacts(tx, [one.id], one.now));
  const facts = await explain(database.pool, asked.statements);
  expect(facts.reduce((pages, { buffers }) => pages + buffers, 0)).toBeLessThan(60);
});
