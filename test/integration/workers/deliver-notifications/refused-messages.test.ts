import { expect, test } from 'vitest';
import type { CallOutcome, SendMessageCall } from '../../../../testbed/bot-api/bot-api.ts';
import {
  createNotifiedSubscriber,
  createStage,
  readNotifications,
  runDelivery,
} from '../../../support/delivery.ts';
import { enqueueOne } from '../../../support/notifications.ts';

// A gateway that refuses a message because of its content: bad markup, too long, a bad button.

const noon = '2026-11-24T12:00:00Z';

/** Refuses what has markup or buttons, as Telegram does for a broken template. */
const refusesMarkup = ({ text, buttons }: SendMessageCall): CallOutcome =>
  text.includes('<b>') || buttons !== undefined
    ? { error: 400, description: "Bad Request: can't parse entities" }
    : 'serve';

test('a receipt that the gateway refuses is sent once more as plain text, and its kind raises an alarm', async () => {
  await using stage = await createStage({ now: noon });
  await createNotifiedSubscriber(stage, 1n);
  await enqueueOne(stage.database, 'receipt', 1n);
  stage.api.conduct = (call) => (call.chat === '1' ? refusesMarkup(call) : 'serve');
  await runDelivery(stage);
  await runDelivery(stage);
  const [receipt] = await readNotifications(stage.database, 'receipt');
  expect(receipt).toMatchObject({ state: 'sent', attempts: 2 });
  const [text] = stage.api.texts(1n);
  expect(text).toMatch(/149 paid for Basic/);
  expect(text).not.toMatch(/[<>]/);
  expect(await readNotifications(stage.database, 'alarm_notice')).toHaveLength(1);
  const seen = stage.api.log.filter(({ chat }) => chat === '7').map((each) => each.text);
  expect(seen.join()).toMatch(/receipt are refused/);
});

test('a receipt that is refused as plain text too fails, and is not tried again', async () => {
  await using stage = await createStage({ now: noon });
  await createNotifiedSubscriber(stage, 1n);
  await enqueueOne(stage.database, 'receipt', 1n);
  const refused = { error: 400, description: 'Bad Request: message is too long' } as const;
  stage.api.conduct = ({ chat }) => (chat === '1' ? refused : 'serve');
  for (let run = 0; run < 3; run += 1) await runDelivery(stage);
  expect(await readNotifications(stage.database, 'receipt')).toMatchObject([
    { state: 'failed', attempts: 2, reason: '400 Bad Request: message is too long' },
  ]);
});

test('an alarm text that is refused ends: no alarm is raised about the alarm', async () => {
  await using stage = await createStage({ now: noon });
  await createNotifiedSubscriber(stage, 1n);
  await enqueueOne(stage.database, 'receipt', 1n);
  stage.api.conduct = () => ({ error: 400, description: 'Bad Request: no' });
  for (let run = 0; run < 4; run += 1) await runDelivery(stage);
  const alarms = await readNotifications(stage.database, 'alarm_notice');
  expect(alarms.map(({ state }) => state)).toEqual(['failed']);
});
