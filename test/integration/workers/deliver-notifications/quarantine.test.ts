import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { cancelNotification } from '../../../../src/notifications/operator-actions.ts';
import {
  createDelivery,
  createNotifiedSubscriber,
  createStage,
  readNotifications,
  runDelivery,
  type Stage,
  silentLog,
} from '../../../support/delivery.ts';
import { enqueueOne } from '../../../support/notifications.ts';

const noon = '2026-11-24T12:00:00Z';

/**
 * `count` receipts, to customers by their numbers. The claims of those that `refused` names fail.
 */
async function enqueueReceipts(stage: Stage, count: number, refused: string): Promise<bigint[]> {
  const { db } = stage.database;
  for (let n = 1; n <= count; n += 1) await createNotifiedSubscriber(stage, BigInt(n));
  for (let n = 1; n <= count; n += 1) await enqueueOne(stage.database, 'receipt', BigInt(n));
  await sql`
    CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'poisoned';
    END $$`.execute(db);
  await sql
    .raw(`CREATE TRIGGER refuse BEFORE UPDATE ON perennial.notification FOR EACH ROW
      WHEN (NEW.kind = 'receipt' AND NEW.customer_id ${refused}) EXECUTE FUNCTION public.refuse()`)
    .execute(db);
  return (await readNotifications(stage.database)).map(({ id }) => id);
}

const readQuarantine = async ({ database }: Stage) =>
  (
    await sql<{ item: string }>`
      SELECT item FROM perennial.quarantine WHERE worker = 'deliver-notifications'
      ORDER BY first_seen_at, item`.execute(database.db)
  ).rows.map(({ item }) => item);

test('P7 P9: a notification that fails by itself is counted, logged with its cause, quarantined and alarmed; the next ones are sent, and it is sent once it is repaired', async () => {
  await using stage = await createStage({ now: noon });
  const [id] = await enqueueReceipts(stage, 3, '= 1');
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
  await sql`DROP TRIGGER refuse ON perennial.notification`.execute(stage.database.db);
  await stage.database.setClock('2026-11-24T13:00:00Z');
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', changed: 1n });
  expect(stage.api.texts(1n)).toHaveLength(1);
  expect(await readQuarantine(stage)).toEqual([]);
});

test('P7: a notification that a person cancels leaves quarantine', async () => {
  await using stage = await createStage({ now: noon });
  const [id] = await enqueueReceipts(stage, 1, '= 1');
  await runDelivery(stage);
  expect(await readQuarantine(stage)).toEqual([`notice:${id}`]);
  await sql`DROP TRIGGER refuse ON perennial.notification`.execute(stage.database.db);
  await cancelNotification(stage.database.db, id as bigint, 'test');
  expect(await readQuarantine(stage)).toEqual([]);
});

test('P9: if every notification fails, the run fails, and at most 50 are quarantined', async () => {
  await using stage = await createStage({ now: noon });
  const { db } = stage.database;
  await enqueueReceipts(stage, 1, 'IS NOT NULL');
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
