import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openLogChannel } from '../../../../src/notifications/channels/log/log.ts';
import {
  forgetCourier,
  readCouriers,
} from '../../../../src/workers/deliver-notifications/courier-registry.ts';
import { until } from '../../../../testbed/until.ts';
import {
  createDelivery,
  createNotifiedSubscriber,
  createStage,
  type RunningCouriers,
  readNotifications,
  runDelivery,
  type Stage,
  startStageCouriers,
} from '../../../support/delivery.ts';
import { silentLog } from '../../../support/log.ts';
import { enqueueOne } from '../../../support/notifications.ts';

// A replica without the bot, beside a replica that has it. The log takes notifications without
// another channel, and none of a bot of this database.

const noon = '2026-11-24T12:00:00Z';
const bot = 'telegram:123456789';

interface LogCouriers extends RunningCouriers {
  /** The messages of the log channel, in the place of Telegram. */
  readonly messages: object[];
  readonly warnings: string[];
}

/** The couriers of a replica without Telegram. */
function startLogCouriers(stage: Stage): LogCouriers {
  const [messages, warnings]: [object[], string[]] = [[], []];
  const channels = [openLogChannel({ info: (fields) => void messages.push(fields) })];
  const warn = (_: object, message: string) => void warnings.push(message);
  const running = startStageCouriers(stage, { channels, log: { ...silentLog, warn } });
  return { ...running, messages, warnings };
}

const readStates = async ({ database }: Stage) =>
  (await readNotifications(database)).map(({ state, channel }) => `${state} ${channel}`);

const untilHeld = (couriers: RunningCouriers) =>
  until('the lease', () => couriers.listChannelIds().length === 1);

test('P10: a replica without Telegram takes nothing of a bot of this database, and logs the remedy', async () => {
  await using stage = await createStage({ now: noon });
  await createNotifiedSubscriber(stage, 1n);
  const first = startStageCouriers(stage);
  await untilHeld(first);
  await first.stop();
  await enqueueOne(stage.database, 'receipt', 1n);
  const run = {
    ...createDelivery(stage.api),
    channels: [openLogChannel({ info: () => undefined })],
  };
  expect(await runDelivery(stage, run)).toMatchObject({
    outcome: 'skipped',
    detail: { reason: expect.stringMatching(/^log: telegram:123456789 delivers .*wait for it/) },
  });
  await using lacking = startLogCouriers(stage);
  await until('the warning', () => lacking.warnings.length > 0);
  expect(lacking.warnings).toEqual([
    expect.stringMatching(
      /^log: telegram:123456789 delivers .*"perennial notice couriers --forget/,
    ),
  ]);
  expect(lacking.listChannelIds()).toEqual([]);
  expect(await readStates(stage)).toEqual(['pending telegram']);
  // A replica with the bot is back.
  await using _ = startStageCouriers(stage);
  await until('it is sent', async () => (await readStates(stage))[0] === 'sent telegram');
  expect(stage.api.texts(1n)).toHaveLength(1);
  expect(lacking.messages).toEqual([]);
});

test('P10: a replica without Telegram that delivered to the log stops when the first bot delivers', async () => {
  await using stage = await createStage({ now: noon });
  await createNotifiedSubscriber(stage, 1n);
  await using lacking = startLogCouriers(stage);
  await untilHeld(lacking);
  await enqueueOne(stage.database, 'receipt', 1n);
  await until('it is in the log', async () => (await readStates(stage))[0] === 'sent log');
  await using having = startStageCouriers(stage);
  await untilHeld(having);
  await having.stop();
  // The process of the bot has ended. The other one still has its lease and its connections.
  await enqueueOne(stage.database, 'receipt', 1n);
  await until('it stops', () => lacking.listChannelIds().length === 0);
  expect(await readStates(stage)).toEqual(['sent log', 'pending telegram']);
  expect(lacking.messages).toHaveLength(1);
});

test('a person can forget a bot only if no process delivers for it; then the log takes its notifications', async () => {
  await using stage = await createStage({ now: noon });
  const { db } = stage.database;
  await createNotifiedSubscriber(stage, 1n);
  const having = startStageCouriers(stage);
  await untilHeld(having);
  expect(await readCouriers(db)).toMatchObject([{ id: bot, isRunning: true, pausedUntil: null }]);
  await expect(forgetCourier(db, bot, 'test')).rejects.toThrow(/a process delivers for telegram:/);
  await having.stop();
  await until('its lock to be free', async () => (await readCouriers(db))[0]?.isRunning === false);
  await expect(forgetCourier(db, 'telegram:1', 'test')).rejects.toThrow(
    /"telegram:1" is not a courier/,
  );
  await forgetCourier(db, bot, 'test');
  expect(await readCouriers(db)).toEqual([]);
  const { rows } = await sql`
    SELECT subject, actor FROM perennial.event WHERE action = 'courier_forgotten'`.execute(db);
  expect(rows).toEqual([{ subject: `courier:${bot}`, actor: 'test' }]);
  await enqueueOne(stage.database, 'receipt', 1n);
  await using lacking = startLogCouriers(stage);
  await until('it is in the log', async () => (await readStates(stage))[0] === 'sent log');
  expect(lacking.messages).toHaveLength(1);
});
