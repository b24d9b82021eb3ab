import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openLogChannel } from '../../src/notify/channels/log/log.ts';
import { forgetCourier, readCouriers } from '../../src/workers/deliver-notifications/known.ts';
import { until } from '../service/until.ts';
import { oweOne } from './owed.ts';
import {
  aStage,
  deliver,
  deliveryTo,
  mute,
  notices,
  type Running,
  runDelivery,
  type Stage,
  told,
} from './stage.ts';

// A replica whose configuration lacks the bot, beside one that has it. To the log goes what has no
// other way out, and never what a bot of these books would have sent.

const noon = '2026-11-24T12:00:00Z';
const bot = 'telegram:123456789';

interface Without extends Running {
  /** What it said as messages, in the place of Telegram. */
  readonly said: object[];
  readonly warnings: string[];
}

/** The couriers of a process that has no Telegram. */
function without(stage: Stage): Without {
  const [said, warnings]: [object[], string[]] = [[], []];
  const channels = [openLogChannel({ info: (fields) => void said.push(fields) })];
  const warn = (_: object, message: string) => void warnings.push(message);
  const running = deliver(stage, { channels, log: { ...mute, warn } });
  return { ...running, said, warnings };
}

const states = async ({ books }: Stage) =>
  (await notices(books)).map(({ state, channel }) => `${state} ${channel}`);

const holds = (couriers: Running) =>
  until('the post', () => (couriers.held().length === 1 ? true : undefined));

test('P10: a replica without Telegram takes nothing over from a bot of these books, and says what to do', async () => {
  await using stage = await aStage({ now: noon });
  await told(stage, 1n);
  const first = deliver(stage);
  await holds(first);
  await first.stop();
  await oweOne(stage.books, 'receipt', 1n);
  const run = { ...deliveryTo(stage.api), channels: [openLogChannel({ info: () => undefined })] };
  expect(await runDelivery(stage, run)).toMatchObject({
    outcome: 'skipped',
    detail: { reason: expect.stringMatching(/^log: telegram:123456789 delivers .*wait for it/) },
  });
  await using lacking = without(stage);
  await until('it says so', () => (lacking.warnings.length > 0 ? true : undefined));
  expect(lacking.warnings).toEqual([
    expect.stringMatching(
      /^log: telegram:123456789 delivers .*"perennial notice couriers --forget/,
    ),
  ]);
  expect(lacking.held()).toEqual([]);
  expect(await states(stage)).toEqual(['pending telegram']);
  // Somebody who has it is back.
  await using _ = deliver(stage);
  await until('it is sent', async () =>
    (await states(stage))[0] === 'sent telegram' ? true : undefined,
  );
  expect(stage.api.texts(1n)).toHaveLength(1);
  expect(lacking.said).toEqual([]);
});

test('P10: a replica without Telegram that delivered to the log leaves off when the first bot delivers', async () => {
  await using stage = await aStage({ now: noon });
  await told(stage, 1n);
  await using lacking = without(stage);
  await holds(lacking);
  await oweOne(stage.books, 'receipt', 1n);
  await until('it is said to the log', async () =>
    (await states(stage))[0] === 'sent log' ? true : undefined,
  );
  await using having = deliver(stage);
  await holds(having);
  await having.stop();
  // The bot's process has ended, and the other one has its post and its connections still.
  await oweOne(stage.books, 'receipt', 1n);
  await until('it leaves off', () => (lacking.held().length === 0 ? true : undefined));
  expect(await states(stage)).toEqual(['sent log', 'pending telegram']);
  expect(lacking.said).toHaveLength(1);
});

test('a bot that is given up is forgotten by a person, not while a process delivers for it; then the log has it', async () => {
  await using stage = await aStage({ now: noon });
  const { db } = stage.books;
  await told(stage, 1n);
  const having = deliver(stage);
  await holds(having);
  expect(await readCouriers(db)).toMatchObject([{ id: bot, lives: true, restsUntil: null }]);
  await expect(forgetCourier(db, bot, 'test')).rejects.toThrow(/a process delivers for telegram:/);
  await having.stop();
  await until('its lock to be free', async () =>
    (await readCouriers(db))[0]?.lives === false ? true : undefined,
  );
  await expect(forgetCourier(db, 'telegram:1', 'test')).rejects.toThrow(/no courier "telegram:1"/);
  await forgetCourier(db, bot, 'test');
  expect(await readCouriers(db)).toEqual([]);
  const { rows } = await sql`
    SELECT subject, actor FROM perennial.event WHERE action = 'courier_forgotten'`.execute(db);
  expect(rows).toEqual([{ subject: `courier:${bot}`, actor: 'test' }]);
  await oweOne(stage.books, 'receipt', 1n);
  await using lacking = without(stage);
  await until('it is said to the log', async () =>
    (await states(stage))[0] === 'sent log' ? true : undefined,
  );
  expect(lacking.said).toHaveLength(1);
});
