import { expect, test } from 'vitest';
import { openTelegram } from '../../../../src/notifications/channels/telegram/telegram.ts';
import { readCouriers } from '../../../../src/workers/deliver-notifications/courier-registry.ts';
import { acquireCourier } from '../../../../src/workers/deliver-notifications/lease.ts';
import { until } from '../../../../testbed/until.ts';
import {
  createNotifiedSubscriber,
  createStage,
  readNotifications,
  type Stage,
  startStageCouriers,
} from '../../../support/delivery.ts';
import { silentLog } from '../../../support/log.ts';
import { enqueueOne } from '../../../support/notifications.ts';

// Two replicas with two bots on one database. The chats of the first bot are unknown to the second.

const noon = '2026-11-24T12:00:00Z';
const secondToken = '222222222:AAF-canary_canary_canary_canary_canary';

const readReachable = async ({ database }: Stage): Promise<boolean | undefined> => {
  const rows = await database.query<{ reachable: boolean }>`
    SELECT reachable FROM perennial.customer WHERE telegram_id = 1`;
  return rows[0]?.reachable;
};

test('a second bot takes no notification and marks no customer as unreachable', async () => {
  await using stage = await createStage({ now: noon });
  await createNotifiedSubscriber(stage, 1n);
  const first = startStageCouriers(stage);
  await until('the lease', () => first.listChannelIds().length === 1);
  await first.stop();
  await enqueueOne(stage.database, 'receipt', 1n);
  stage.api.conduct = () => ({ error: 403, description: 'Forbidden: bot was blocked by the user' });
  const warnings: string[] = [];
  const warn = (_: object, message: string) => void warnings.push(message);
  await using wrong = startStageCouriers(stage, {
    telegram: { token: secondToken },
    log: { ...silentLog, warn },
  });
  await until('the refusal', () => warnings.length > 0);
  expect(warnings[0]).toMatch(/^telegram:222222222: telegram:123456789 delivers for this database/);
  expect(wrong.listChannelIds()).toEqual([]);
  expect(await readNotifications(stage.database)).toMatchObject([
    { state: 'pending', attempts: 0 },
  ]);
  expect(await readReachable(stage)).toBe(true);
  expect(await readCouriers(stage.database.db)).toMatchObject([{ id: 'telegram:123456789' }]);
});

test('of two bots that start at the same moment, one gets a courier', async () => {
  await using stage = await createStage({ now: noon });
  const channels = [1, 2, 3, 4].map((n) =>
    openTelegram({ token: `${n}:secret`, api: stage.api.url, admins: [], perSecond: 20 }),
  );
  const entered = await Promise.all(
    channels.map((channel) => acquireCourier(stage.database.db, channel)),
  );
  expect(entered.filter(({ is }) => is === 'acquired')).toHaveLength(1);
  expect(await readCouriers(stage.database.db)).toHaveLength(1);
  for (const channel of channels) channel.close();
});
