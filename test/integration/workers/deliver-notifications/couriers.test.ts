import { expect, test } from 'vitest';
import { openDatabase, openPool } from '../../../../src/db/connect.ts';
import type { Channel } from '../../../../src/notifications/channels/channel.ts';
import { acquireCourier } from '../../../../src/workers/deliver-notifications/lease.ts';
import { until } from '../../../../testbed/until.ts';
import {
  createDelivery,
  createEndingSubscriber,
  createStage,
  enqueueReceipts,
  readNotifications,
  runDelivery,
  type Stage,
  startStageCouriers,
} from '../../../support/delivery.ts';
import { hookDatabase } from '../../../support/hooked-pool.ts';
import { enqueueOne } from '../../../support/notifications.ts';

// Couriers that are replaced, end, or lose their database.

const noon = '2026-11-24T12:00:00Z';

const untilAllSent = async ({ database }: Stage) =>
  (await readNotifications(database)).every(({ state }) => state === 'sent');

test('a courier that was stopped after a claim and replaced sends nothing when it continues', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await createEndingSubscriber(stage, 1n);
  await database.setClock('2026-12-23T13:00:00Z');
  await enqueueOne(database, 'receipt', 1n);
  await enqueueOne(database, 'ends_24h', 1n);
  const still = Promise.withResolvers<void>();
  let stoodMs: number | undefined;
  await using hooked = hookDatabase(database, async ({ when, sql: text }) => {
    if (when !== 'after') return;
    // The commit of that claim is answered only when the courier continues.
    if (stoodMs !== undefined && /^commit/i.test(text)) await still.promise;
    if (/state = 'sending', /.test(text)) stoodMs ??= performance.now();
  });
  const stopped = runDelivery({ ...stage, database: hooked });
  await until('it is stopped', async () =>
    (await readNotifications(database)).some(({ state }) => state === 'sending'),
  );
  // Another courier takes a new epoch, without the lock.
  const [channel] = createDelivery(api).channels;
  await acquireCourier(database.db, channel as Channel);
  // A verification of the fence is valid for half a second.
  await until('the fence is old', () => performance.now() - (stoodMs ?? 0) > 600);
  still.resolve();
  expect(await stopped).toMatchObject({ outcome: 'failed', detail: { code: 'lease_lost' } });
  expect(api.log).toEqual([]);
  await runDelivery(stage);
  await database.setClock('2026-12-23T13:10:00Z');
  await runDelivery(stage);
  expect(await untilAllSent(stage)).toBe(true);
  expect(api.texts(1n)).toHaveLength(2);
});

test('P8: a courier that ends waits for the pending answers and stores their outcomes', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await enqueueReceipts(stage, 3);
  const gate = Promise.withResolvers<void>();
  api.conduct = () => gate.promise.then(() => 'serve' as const);
  const couriers = startStageCouriers(stage);
  await until('all sends are pending', async () =>
    (await readNotifications(database)).every(({ state }) => state === 'sending'),
  );
  const stopped = couriers.stop();
  await enqueueOne(database, 'refund', 1n);
  gate.resolve();
  await stopped;
  const states = (await readNotifications(database)).map(({ state }) => state);
  expect(states).toEqual(['sent', 'sent', 'sent', 'pending']);
});

test('P8: missing answers do not delay the end, and their notifications are uncertain', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await createEndingSubscriber(stage, 1n);
  await database.setClock('2026-12-23T13:00:00Z');
  await enqueueOne(database, 'ends_24h', 1n);
  api.conduct = () => 'hang';
  const couriers = startStageCouriers(stage, { telegram: { deadlineMs: 60_000 } });
  await until('the send is pending', () => api.log.length === 1);
  const askedMs = performance.now();
  await couriers.stop();
  expect(performance.now() - askedMs).toBeLessThan(8_000);
  expect(await readNotifications(database)).toMatchObject([
    { state: 'uncertain', lost_answers: 1 },
  ]);
});

test('P9: a courier whose connections all break continues, loses nothing, and counts each duplicate', async () => {
  await using stage = await createStage({ now: noon, onLost: () => undefined });
  const { database, api } = stage;
  const count = 40;
  await enqueueReceipts(stage, count);
  // A separate pool, so that the pool of the test stays open.
  const db = openDatabase(openPool(database.url, { onLost: () => undefined }));
  await using _ = startStageCouriers({ ...stage, database: { ...database, db } });
  const cut = () =>
    database.query`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'`;
  for (const at of [5, 15, 25]) {
    await until(`${at} calls`, () => api.log.length >= at);
    await cut();
  }
  await until('all are sent', async () => {
    // Retries that wait for a second are due at once, because the clock stands.
    await database.query`UPDATE perennial.notification SET next_attempt_at = perennial.clock()
      WHERE next_attempt_at > perennial.clock() AND next_attempt_at < 'infinity'`;
    await database.query`UPDATE perennial.courier SET rests_until = NULL`;
    return untilAllSent(stage);
  });
  for (const { recipient, lost_answers: lost } of await readNotifications(database)) {
    const times = api.texts(recipient ?? '').length;
    expect(times).toBeGreaterThanOrEqual(1);
    expect(times).toBeLessThanOrEqual(1 + lost);
  }
}, 60_000);
