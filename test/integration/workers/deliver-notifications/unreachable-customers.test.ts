import { expect, test } from 'vitest';
import { setCustomer } from '../../../../src/subscription/commands/customer.ts';
import {
  createEndingSubscriber,
  createNotifiedSubscriber,
  createStage,
  readNotifications,
  runDelivery,
  type Stage,
} from '../../../support/delivery.ts';
import { enqueueAlarm, enqueueOne } from '../../../support/notifications.ts';
import { addBalance, buyPlan, createCaller } from '../../../support/shop.ts';

// Customers who blocked the bot: at_least_once notifications stay pending until the customer is
// reachable.

const noon = '2026-11-24T12:00:00Z';
const blockedError = { error: 403, description: 'Forbidden: bot was blocked by the user' } as const;

const readReachable = async ({ database }: Stage) =>
  (await database.query<{ reachable: boolean }>`SELECT reachable FROM perennial.customer`)[0]
    ?.reachable;
const readTexts = ({ api }: Stage) => api.texts(1n);

test('an at_least_once notification that met a 403 is sent when its customer is reachable again', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await createEndingSubscriber(stage, 1n);
  api.conduct = () => blockedError;
  await enqueueOne(database, 'receipt', 1n);
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', failed: 1n });
  expect(await readReachable(stage)).toBe(false);
  expect(await readNotifications(database)).toMatchObject([
    { state: 'pending', reason: /^unreachable: 403 .*blocked/, attempts: 1, lost_answers: 0 },
  ]);
  api.conduct = () => 'serve';
  expect(await runDelivery(stage)).toMatchObject({ examined: 0n });
  await setCustomer(createCaller(stage.database), { telegramId: 1n, locale: 'ru' });
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', changed: 1n });
  expect(await readNotifications(database)).toMatchObject([{ state: 'sent', attempts: 2 }]);
  expect(readTexts(stage)).toHaveLength(1);
});

test('a weekly attempt loses no message, and a successful one releases the others at once', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await createNotifiedSubscriber(stage, 1n);
  await enqueueOne(database, 'receipt', 1n);
  api.conduct = () => blockedError;
  await runDelivery(stage);
  await enqueueOne(database, 'refund', 1n);
  await runDelivery(stage);
  expect(api.log).toHaveLength(1);
  await database.setClock('2026-12-01T12:00:00Z');
  await runDelivery(stage);
  const weekly = api.log.length;
  expect(weekly).toBeGreaterThan(1);
  const waiting = await readNotifications(database);
  expect(waiting).toMatchObject([{ state: 'pending' }, { state: 'pending' }]);
  api.conduct = () => 'serve';
  // The one that is due first. The other one is not due yet.
  const [first] = waiting.map((row) => row.next_attempt_at).sort();
  await database.query`UPDATE perennial.notification SET next_attempt_at = next_attempt_at + interval '1 day'
    WHERE kind = 'receipt'`;
  await database.setClock(first as never);
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', changed: 1n });
  expect(await readReachable(stage)).toBe(true);
  // The commit wakes the courier of a service for the other one. Here the next run sends it.
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success', changed: 1n });
  expect(readTexts(stage)).toHaveLength(2);
});

test('a notification that is outdated by then is suppressed', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await createNotifiedSubscriber(stage, 1n);
  await database.setClock('2026-12-24T09:00:00Z');
  await enqueueOne(database, 'low_balance', 1n);
  api.conduct = () => blockedError;
  await runDelivery(stage);
  api.conduct = () => 'serve';
  await addBalance(stage.database, 1n, 149_00n);
  await buyPlan(stage.database, 1n);
  await runDelivery(stage);
  expect(await readNotifications(database)).toMatchObject([
    { kind: 'low_balance', state: 'suppressed', reason: 'end_moved' },
    { kind: 'receipt', state: 'sent' },
  ]);
});

test('a notification older than 30 days is suppressed, after any number of attempts', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await createNotifiedSubscriber(stage, 1n);
  await enqueueOne(database, 'receipt', 1n);
  api.conduct = () => blockedError;
  for (const day of ['2026-11-24', '2026-12-01', '2026-12-08', '2026-12-15', '2026-12-22']) {
    await database.setClock(`${day}T12:00:10Z`);
    await runDelivery(stage);
  }
  expect(api.log).toHaveLength(5);
  await database.setClock('2026-12-29T12:00:20Z');
  await runDelivery(stage);
  expect(api.log).toHaveLength(5);
  expect(await readNotifications(database)).toMatchObject([
    { state: 'suppressed', reason: 'too_late' },
  ]);
});

test('a notification without an answer before the block is uncertain, and is sent again when its customer is reachable', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await createEndingSubscriber(stage, 1n);
  await enqueueOne(database, 'receipt', 1n);
  api.conduct = () => 'drop';
  await runDelivery(stage);
  await enqueueOne(database, 'refund', 1n);
  api.conduct = () => blockedError;
  await runDelivery(stage);
  await database.setClock('2026-11-24T12:01:00Z');
  await runDelivery(stage);
  const [receipt] = await readNotifications(database);
  expect(receipt).toMatchObject({ state: 'uncertain', lost_answers: 1 });
  expect(receipt?.next_attempt_at).toBeGreaterThan(Date.parse('2026-11-30T00:00:00Z'));
  api.conduct = () => 'serve';
  await setCustomer(createCaller(stage.database), { telegramId: 1n, reachable: true });
  await runDelivery(stage);
  expect((await readNotifications(database)).map(({ state }) => state)).toEqual(['sent', 'sent']);
  expect(readTexts(stage)).toHaveLength(2);
});

test('a reminder that met a 403 fails, and one that may have arrived stays uncertain: neither is sent again', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await createEndingSubscriber(stage, 1n);
  await database.setClock('2026-12-21T13:00:00Z');
  await enqueueOne(database, 'ends_3d', 1n);
  api.conduct = () => 'drop';
  await runDelivery(stage);
  await database.setClock('2026-12-23T13:00:00Z');
  await enqueueOne(database, 'ends_24h', 1n);
  api.conduct = () => blockedError;
  await runDelivery(stage);
  await setCustomer(createCaller(stage.database), { telegramId: 1n, reachable: true });
  api.conduct = () => 'serve';
  expect(await runDelivery(stage)).toMatchObject({ examined: 0n });
  expect((await readNotifications(database)).map(({ state }) => state)).toEqual([
    'uncertain',
    'failed',
  ]);
});

test('an alarm to an admin who blocked the bot fails, because no event makes an admin reachable', async () => {
  await using stage = await createStage({ now: noon });
  stage.api.conduct = () => blockedError;
  await enqueueAlarm(stage.database, 'auto-renewal');
  await runDelivery(stage);
  expect(await readNotifications(stage.database)).toMatchObject([
    { state: 'failed', reason: /blocked/ },
  ]);
});
