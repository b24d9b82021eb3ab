import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { makeBot } from '../../examples/bot/bot.ts';
import { runOf } from '../a-book.ts';
import { startBotApi } from '../bot-api/bot-api.ts';
import { brisk, runDelivery } from '../delivery/stage.ts';
import { until } from '../service/until.ts';
import { anApi } from './api.ts';

// examples/bot as its customers meet it: the real bot on a fake Bot API, through the real HTTP API,
// with Perennial's own messages beside it.

const anna = { id: 7, first_name: 'Anna', language_code: 'en', is_bot: false } as const;

async function opened() {
  const telegram = await startBotApi({ limits: brisk });
  const perennial = await anApi();
  await perennial.books.pool.query(`UPDATE perennial.node SET link = link || '{"port": 443}'`);
  const bot = makeBot({
    botToken: '1:AAF-canary_canary_canary_canary_canary',
    botApi: telegram.url,
    perennial: { url: perennial.address, token: perennial.tokens.sell },
    publicUrl: 'https://shop.example',
  });
  const running = bot.start();
  onTestFinished(async () => {
    await bot.stop();
    await running;
    await telegram.stop();
  });
  /** What the bot answers to the next thing that she does. */
  const answerTo = async (act: () => void): Promise<{ text: string; data: string[] }> => {
    const before = telegram.log.length;
    act();
    const answer = await until('an answer', () => telegram.log[before]);
    const keyboard = answer.buttons as { inline_keyboard: { callback_data: string }[][] };
    const data = keyboard.inline_keyboard.flat().map(({ callback_data }) => callback_data);
    return { text: answer.text, data };
  };
  const tap = (data: string) => answerTo(() => telegram.updates.tap(anna, data));
  const write = (text: string) => answerTo(() => telegram.updates.message(anna, text));
  return { telegram, perennial, tap, write };
}

test('from the first message to renewal and to the end', async () => {
  const { telegram, perennial, tap, write } = await opened();
  const { books } = perennial;
  expect((await write('/start')).data).toContain('trial');
  expect((await tap('trial')).text).toBe('It runs until November 27, 2026.');
  expect((await tap('trial')).text).toMatch(/trial/);

  // Not enough, then enough.
  const { data } = await tap('buy');
  expect(data).toContain('buy:basic:30:149.00');
  expect((await tap('buy:basic:30:149.00')).text).toMatch(/149\.00 RUB missing/);
  expect((await tap('pay:500')).text).toBe('Your balance is 500.00.');
  expect((await tap('buy:basic:30:148.00')).text).toBe('it costs 149.00 RUB now, not 148.00 RUB');
  expect((await tap('buy:basic:30:149.00')).text).toBe('Done: it runs until December 27, 2026.');
  expect((await tap('balance')).text).toBe('351.00 RUB\nbasic: until December 27, 2026');
  expect((await tap('links')).text).toMatch(
    /^https:\/\/shop\.example\/sub\/\S+\n\nvless:\/\/[0-9a-f-]{36}@nl1\.example\.net:443/,
  );

  // Perennial renews, and says so by the same bot.
  await books.setClock('2026-12-27T08:00:00Z');
  expect(await runOf(books, 'auto-renewal')).toMatchObject({ changed: 1n });
  await runDelivery({ books, api: telegram });
  expect(telegram.texts(7n).at(-1)).toMatch(/149/);
  expect((await tap('balance')).text).toBe('202.00 RUB\nbasic: until January 26, 2027');

  // She has enough of it.
  const [toggle = ''] = (await tap('renewal')).data;
  expect(toggle).toBe('renewal:1:false');
  expect((await tap(toggle)).text).toBe('Off.');
  await books.setClock('2027-01-26T09:00:00Z');
  await runOf(books, 'fast-expiry-cleanup');
  await runDelivery({ books, api: telegram });
  expect(telegram.texts(7n).at(-1)).toMatch(/Basic|basic/);
  expect(telegram.texts(7n).at(-1)).toMatch(/ended|over/);
  expect((await tap('balance')).text).toBe('202.00 RUB');
  const { json } = await perennial.ask('GET', '/v1/customers/7');
  expect(json).toMatchObject({ balance: '202.00', links: [] });
}, 60_000);

test('who blocked the bot and comes back is heard of again', async () => {
  const { perennial, write } = await opened();
  await write('/start');
  await perennial.ask('PATCH', '/v1/customers/7', { body: { reachable: false } });
  await write('/start');
  const { json } = await perennial.ask('GET', '/v1/customers/7');
  expect(json).toMatchObject({ reachable: true, locale: 'en' });
});

test('it has at most 200 lines', () => {
  const lines = readFileSync('examples/bot/bot.ts', 'utf8').split('\n').length - 1;
  expect(lines).toBeLessThanOrEqual(200);
});
