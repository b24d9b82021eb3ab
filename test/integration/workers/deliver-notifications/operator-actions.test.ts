import { expect, test } from 'vitest';
import { openLogChannel } from '../../../../src/notifications/channels/log/log.ts';
import { resendNotification } from '../../../../src/notifications/operator-actions.ts';
import {
  createDelivery,
  createNotifiedSubscriber,
  createStage,
  readNotifications,
  runDelivery,
  type Stage,
} from '../../../support/delivery.ts';
import { enqueueAlarm, enqueueOne } from '../../../support/notifications.ts';

// The delivery of notifications that a person sends again.

const noon = '2026-11-24T12:00:00Z';

/** A delivery by the log, with its recipients. */
function createLogDelivery(stage: Stage) {
  const to: unknown[] = [];
  const log = openLogChannel({ info: (fields) => void to.push((fields as { to: string }).to) });
  return { to, delivery: { ...createDelivery(stage.api), channels: [log] } };
}

test('a notification of the log is sent again: to the log, and by Telegram once it is configured', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await createNotifiedSubscriber(stage, 1001n);
  await enqueueOne(database, 'receipt', 1001n);
  const { to, delivery } = createLogDelivery(stage);
  await runDelivery(stage, delivery);
  const [receipt] = await readNotifications(database);
  expect(receipt).toMatchObject({ state: 'sent', channel: 'log' });
  const id = receipt?.id as bigint;
  await resendNotification(database.db, id, 'test');
  expect(await runDelivery(stage, delivery)).toMatchObject({ changed: 1n });
  expect(to).toEqual(['1001', '1001']);
  expect(await readNotifications(database)).toMatchObject([{ state: 'sent', channel: 'log' }]);
  await resendNotification(database.db, id, 'test');
  expect(await runDelivery(stage)).toMatchObject({ changed: 1n });
  expect(api.texts(1001n)).toHaveLength(1);
  expect(await readNotifications(database)).toMatchObject([{ state: 'sent', channel: 'telegram' }]);
});

test('an alarm of the log goes to the present admins when it is sent again', async () => {
  await using stage = await createStage({ now: noon });
  const { database, api } = stage;
  await enqueueAlarm(database, 'auto-renewal');
  const { to, delivery } = createLogDelivery(stage);
  await runDelivery(stage, delivery);
  expect(to).toEqual(['admins']);
  await resendNotification(
    database.db,
    (await readNotifications(database))[0]?.id as bigint,
    'test',
  );
  await runDelivery(stage, createDelivery(api, { admins: [7, 8] }));
  expect(api.log.map(({ chat, arrived }) => `${chat} ${arrived}`).sort()).toEqual([
    '7 true',
    '8 true',
  ]);
});
