import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { cancelNotification } from '../../../../src/notifications/operator-actions.ts';
import {
  createDelivery,
  createStage,
  enqueueReceipts,
  readNotifications,
  runDelivery,
  type Stage,
} from '../../../support/delivery.ts';
import { acceptRows, refuseRows } from '../../../support/faults.ts';
import { silentLog } from '../../../support/log.ts';

const noon = '2026-11-24T12:00:00Z';

/**
 * `count` receipts, to customers by their numbers. The claims of those that `refused` names fail.
 */
async function enqueueRefusedReceipts(
  stage: Stage,
  count: number,
  refused: string,
): Promise<bigint[]> {
  await enqueueReceipts(stage, count);
  const rows = `NEW.kind = 'receipt' AND NEW.customer_id ${refused}`;
  await refuseRows(stage.database, 'UPDATE ON perennial.notification', rows);
  return (await readNotifications(stage.database)).map(({ id }) => id);
}

const readQuarantine = async ({ database }: Stage) =>
  (
    await database.query<{ item: string }>`
      SELECT item FROM perennial.quarantine WHERE worker = 'deliver-notifications'
      ORDER BY first_seen_at, item`
  ).map(({ item }) => item);

test('P7 P9: a notification that fails by itself is counted, logged with its cause, quarantined and alarmed; the next ones are sent, and it is sent once it is repaired', async () => {
  await using stage = await createStage({ now: noon });
  const [id] = await enqueueRefusedReceipts(stage, 3, '= 1');
  const logged: { err?: Error; message?: string }[] = [];
  const error = (fields: object, message: string) => void logged.push({ ...fields, message });
  const { signal } = new AbortController();
  const run = await runDelivery(stage, createDelivery(stage.api), signal, { ...silentLog, error });
  // The two behind it, and the alarm.
  expect(run).toMatchObject({ outcome: 'degraded', examined: 4n, changed: 3n, failed: 1n });
  expect(run.detail).toEqual({ quarantined: 1, sent: 3 });
  expect(stage.api.log.map(({ chat }) => chat).sort()).toEqual(['2', '3', '7']);
  expect(stage.api.texts(7n)).toEqual([expect.stringMatching(/deliver-notifications/)]);
  const item = `notice:${id}`;
  expect(await readQuarantine(stage)).toEqual([item]);
  expect(logged).toMatchObject([
    { message: 'notification put into quarantine', item: String(id), code: 'pg_P0001' },
  ]);
  expect(logged[0]?.err?.cause).toBeInstanceOf(Error);
  // It waits for its retry, and no run fails because of it.
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', examined: 0n });
  await acceptRows(stage.database);
  await stage.database.setClock('2026-11-24T13:00:00Z');
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', changed: 1n });
  expect(stage.api.texts(1n)).toHaveLength(1);
  expect(await readQuarantine(stage)).toEqual([]);
});

test('P7: a notification that a person cancels leaves quarantine', async () => {
  await using stage = await createStage({ now: noon });
  const [id] = await enqueueRefusedReceipts(stage, 1, '= 1');
  await runDelivery(stage);
  expect(await readQuarantine(stage)).toEqual([`notice:${id}`]);
  await acceptRows(stage.database);
  await cancelNotification(stage.database.db, id as bigint, 'test');
  expect(await readQuarantine(stage)).toEqual([]);
});

test('P9: if every notification fails, the run fails, and at most 50 are quarantined', async () => {
  await using stage = await createStage({ now: noon });
  const { db } = stage.database;
  await enqueueRefusedReceipts(stage, 1, 'IS NOT NULL');
  await sql`
    INSERT INTO perennial.notification (customer_id, subscription_id, channel, kind, dedupe_key,
      params, next_attempt_at, created_at)
    SELECT customer_id, subscription_id, channel, kind, 'more:' || n, params, next_attempt_at,
      created_at
    FROM perennial.notification CROSS JOIN generate_series(1, 59) n`.execute(db);
  const run = await runDelivery(stage);
  expect(run).toMatchObject({ outcome: 'failed', detail: { code: 'pg_P0001' } });
  expect(await readQuarantine(stage)).toHaveLength(50);
});
