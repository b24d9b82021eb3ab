import { expect, test } from 'vitest';
import { until } from '../../../../testbed/until.ts';
import {
  createEndingSubscriber,
  createStage,
  readNotifications,
  runDelivery,
} from '../../../support/delivery.ts';
import { enqueueOne } from '../../../support/notifications.ts';

const noon = '2026-11-24T12:00:00Z';

test('an unreachable gateway loses no message: the courier asks it before the next send', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  for (let n = 1n; n <= 24n; n += 1n) await createEndingSubscriber(stage, n);
  await database.setClock('2026-12-23T12:00:00Z');
  for (let n = 1n; n <= 24n; n += 1n) await enqueueOne(database, 'ends_24h', n);
  api.conduct = () => ({ status: 502 });
  api.getMeOutcome = { status: 502 };
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'degraded' });
  const risked = api.log.length;
  expect(risked).toBeLessThanOrEqual(16);
  for (let minute = 1; minute < 4; minute += 1) {
    await database.setClock(`2026-12-23T12:0${minute}:00Z`);
    expect(await runDelivery(stage)).toMatchObject({ outcome: 'degraded', examined: 0n });
  }
  expect(api.log).toHaveLength(risked);
  api.conduct = () => 'serve';
  api.getMeOutcome = 'serve';
  await database.setClock('2026-12-23T12:30:00Z');
  expect(await runDelivery(stage)).toMatchObject({ outcome: 'success' });
  const states = (await readNotifications(database)).map(({ state }) => state);
  expect(states.filter((state) => state === 'uncertain')).toHaveLength(risked);
  expect(states.filter((state) => state === 'sent')).toHaveLength(24 - risked);
});

test('a late answer does not revert a newer state of the gateway', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  for (let n = 1n; n <= 24n; n += 1n) await createEndingSubscriber(stage, n);
  await database.setClock('2026-12-23T12:00:00Z');
  for (let n = 1n; n <= 24n; n += 1n) await enqueueOne(database, 'ends_24h', n);
  const late = Promise.withResolvers<void>();
  // 16 sends are pending when the first of them fails. A 17th is sent and fails. Then the others
  // fail.
  const all = Promise.withResolvers<void>();
  let calls = 0;
  api.conduct = async () => {
    calls += 1;
    const call = calls;
    if (call === 16) all.resolve();
    if (call <= 16) await (call === 1 ? all.promise : late.promise);
    return { status: 502 };
  };
  api.getMeOutcome = { status: 502 };
  const courier = async () => {
    const rows = await database.query<{ failures: number; rests: boolean }>`
      SELECT failures, rests_until IS NOT NULL AS rests FROM perennial.courier`;
    return rows[0];
  };
  const run = runDelivery(stage);
  await until('two failures in a row', async () => (await courier())?.failures === 2);
  late.resolve();
  await run;
  expect(await courier()).toEqual({ failures: 2, rests: true });
  expect(api.log).toHaveLength(17);
});
