import { expect, test } from 'vitest';
import { resend } from '../../src/notify/by-hand.ts';
import { openLogChannel } from '../../src/notify/channels/log/log.ts';
import { oweAlarm, oweOne } from './owed.ts';
import { aStage, deliveryTo, notices, runDelivery, type Stage, told } from './stage.ts';

// What a person has sent again, as far as it gets.

const noon = '2026-11-24T12:00:00Z';

/** A delivery by the log, and whom it told. */
function byLog(stage: Stage) {
  const to: unknown[] = [];
  const log = openLogChannel({ info: (fields) => void to.push((fields as { to: string }).to) });
  return { to, delivery: { ...deliveryTo(stage.api), channels: [log] } };
}

test('what went to the log is sent again: to the log, and by Telegram once there is one', async () => {
  await using stage = await aStage({ now: noon });
  const { books, api } = stage;
  await told(stage, 1001n);
  await oweOne(books, 'receipt', 1001n);
  const { to, delivery } = byLog(stage);
  await runDelivery(stage, delivery);
  const [receipt] = await notices(books);
  expect(receipt).toMatchObject({ state: 'sent', channel: 'log' });
  const id = receipt?.id as bigint;
  await resend(books.db, id, 'test');
  expect(await runDelivery(stage, delivery)).toMatchObject({ changed: 1n });
  expect(to).toEqual(['1001', '1001']);
  expect(await notices(books)).toMatchObject([{ state: 'sent', channel: 'log' }]);
  await resend(books.db, id, 'test');
  expect(await runDelivery(stage)).toMatchObject({ changed: 1n });
  expect(api.texts(1001n)).toHaveLength(1);
  expect(await notices(books)).toMatchObject([{ state: 'sent', channel: 'telegram' }]);
});

test('an alarm that went to the log goes to the admins that there are when it is sent again', async () => {
  await using stage = await aStage({ now: noon });
  const { books, api } = stage;
  await oweAlarm(books, 'auto-renewal');
  const { to, delivery } = byLog(stage);
  await runDelivery(stage, delivery);
  expect(to).toEqual(['admins']);
  await resend(books.db, (await notices(books))[0]?.id as bigint, 'test');
  await runDelivery(stage, deliveryTo(api, { admins: [7, 8] }));
  expect(api.log.map(({ chat, arrived }) => `${chat} ${arrived}`).sort()).toEqual([
    '7 true',
    '8 true',
  ]);
});
