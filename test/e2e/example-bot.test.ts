import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { makeBot } from '../../examples/bot/bot.ts';
import { startBotApi } from '../../testbed/bot-api/bot-api.ts';
import { until } from '../../testbed/until.ts';
import { readFingerprint, startApi } from '../support/api.ts';
import { fastLimits, runDelivery } from '../support/delivery.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createSubscriber,
  runWorkerAt,
} from '../support/shop.ts';

// examples/bot for its customers: the real bot on a fake Bot API, through the real HTTP API.
// Perennial sends its notifications by the same bot.

const anna = { id: 7, first_name: 'Anna', language_code: 'en', is_bot: false } as const;
const boris = { id: 8, first_name: 'Boris', language_code: 'ru', is_bot: false } as const;

async function startBot(front?: string) {
  const telegram = await startBotApi({ limits: fastLimits });
  const perennial = await startApi();
  await perennial.database.pool.query(`UPDATE perennial.node SET link = link || '{"port": 443}'`);
  const bot = makeBot({
    botToken: '1:AAF-canary_canary_canary_canary_canary',
    botApi: telegram.url,
    perennial: { url: front ?? perennial.address, token: perennial.tokens.sell },
    publicUrl: 'https://shop.example',
  });
  const running = bot.start();
  onTestFinished(async () => {
    await bot.stop();
    await running;
    await telegram.stop();
  });
  /** @returns the answer of the bot to an action of a customer */
  const answerTo = async (act: () => void): Promise<{ text: string; data: string[] }> => {
    const before = telegram.log.length;
    act();
    const answer = await until('an answer', () => telegram.log[before]);
    const keyboard = answer.buttons as { inline_keyboard: { callback_data: string }[][] };
    const data = keyboard.inline_keyboard.flat().map(({ callback_data }) => callback_data);
    return { text: answer.text, data };
  };
  const tap = (data: string) => answerTo(() => telegram.updates.tapButton(anna, data));
  const write = (text: string) => answerTo(() => telegram.updates.sendMessage(anna, text));
  const as = (person: typeof anna | typeof boris) => ({
    tap: (data: string) => answerTo(() => telegram.updates.tapButton(person, data)),
    write: (text: string) => answerTo(() => telegram.updates.sendMessage(person, text)),
  });
  return { telegram, perennial, tap, write, as };
}

test('the bot serves a customer from the first message to renewal and to the end', async () => {
  const { telegram, perennial, tap, write } = await startBot();
  const { database } = perennial;
  expect((await write('/start')).data).toContain('trial');
  expect((await tap('trial')).text).toBe('It runs until November 27, 2026.');
  expect((await tap('trial')).text).toMatch(/trial/);

  // The balance is too small at first, and sufficient after a top-up.
  const { data } = await tap('buy');
  // The purchase converts the active trial: the button contains its id and its end.
  const trialEnd = Date.parse('2026-11-27T09:00:00.000Z').toString(36);
  expect(data).toContain(`buy:basic:30:149.00:1:${trialEnd}`);
  expect((await tap('buy:basic:30:149.00')).text).toMatch(/149\.00 RUB missing/);
  expect((await tap('pay:500')).text).toBe('Your balance is 500.00.');
  expect((await tap('buy:basic:30:148.00')).text).toBe('it costs 149.00 RUB now, not 148.00 RUB');
  expect((await tap('buy:basic:30:149.00')).text).toBe('Done: it runs until December 27, 2026.');
  expect((await tap('balance')).text).toBe('351.00 RUB\nbasic: until December 27, 2026');
  expect((await tap('links')).text).toMatch(
    /^https:\/\/shop\.example\/sub\/\S+\n\nvless:\/\/[0-9a-f-]{36}@nl1\.example\.net:443/,
  );

  // Perennial renews, and sends the receipt by the same bot.
  expect(await runWorkerAt(database, '2026-12-27T08:00:00Z', 'auto-renewal')).toMatchObject({
    changed: 1n,
  });
  await runDelivery({ database, api: telegram });
  expect(telegram.texts(7n).at(-1)).toMatch(/149/);
  expect((await tap('balance')).text).toBe('202.00 RUB\nbasic: until January 26, 2027');

  // The customer turns off auto-renewal.
  const [toggle = ''] = (await tap('renewal')).data;
  expect(toggle).toBe('renewal:1:false');
  expect((await tap(toggle)).text).toBe('Off.');
  await runWorkerAt(database, '2027-01-26T09:00:00Z', 'fast-expiry-cleanup');
  await runDelivery({ database, api: telegram });
  expect(telegram.texts(7n).at(-1)).toMatch(/Basic|basic/);
  expect(telegram.texts(7n).at(-1)).toMatch(/ended|over/);
  expect((await tap('balance')).text).toBe('202.00 RUB');
  const { json } = await perennial.send('GET', '/v1/customers/7');
  expect(json).toMatchObject({ balance: '202.00', links: [] });
}, 60_000);

test('a customer who blocked the bot and returns is reachable again', async () => {
  const { perennial, write } = await startBot();
  await write('/start');
  await perennial.send('PATCH', '/v1/customers/7', { body: { reachable: false } });
  await write('/start');
  const { json } = await perennial.send('GET', '/v1/customers/7');
  expect(json).toMatchObject({ reachable: true, locale: 'en' });
});

test('a tap with the id of another customer’s subscription changes nothing', async () => {
  const { perennial, tap, as } = await startBot();
  const { database } = perennial;
  const id = await createSubscriber(database, 7n, 500_00n);
  await addCustomer(database, 8n, { balanceMinor: 500_00n });
  const before = await readFingerprint(database);
  const end = Date.parse('2026-12-24T09:00:00.000Z').toString(36);
  for (const data of [
    `renewal:${id}:false`,
    `buy:basic:30:149.00:${id}:${end}`,
    `buy:basic:30:1.00:first`,
  ]) {
    expect((await as(boris).tap(data)).text).not.toMatch(/Готово|Выключено/);
  }
  // The button of another customer’s notification offers a purchase to the customer who taps it.
  expect((await as(boris).tap(`perennial:buy:${id}`)).data).toContain('buy:basic:30:149.00:first');
  expect(await readFingerprint(database)).toBe(before);
  expect((await tap(`renewal:${id}:false`)).text).toBe('Off.');
});

test('a button that is tapped twice buys once and pays once', async () => {
  const { telegram, perennial, write } = await startBot();
  await write('/start');
  const twice = async (data: string, messageId: number) => {
    const before = telegram.log.length;
    telegram.updates.tapButton(anna, data, { messageId });
    telegram.updates.tapButton(anna, data, { messageId });
    return until('two answers', () => telegram.log[before + 1]);
  };
  expect((await twice('pay:500', 70)).text).toBe('Your balance is 500.00.');
  expect((await twice('buy:basic:30:149.00:first', 71)).text).toMatch(/^Done/);
  // The same offer in another message is outdated: it was for a first subscription.
  const stale = await twice('buy:basic:30:149.00:first', 72);
  expect(stale.text).toBe('This offer is old.');
  const { json } = await perennial.send('GET', '/v1/customers/7/ledger');
  expect(json.items.map(({ kind }: { kind: string }) => kind)).toEqual(['purchase', 'top_up']);
});

test('the buttons of Perennial’s notifications lead to a purchase and to a top-up', async () => {
  const { perennial, tap } = await startBot();
  const id = await createSubscriber(perennial.database, 7n, 500_00n);
  const end = Date.parse('2026-12-24T09:00:00.000Z').toString(36);
  const offered = await tap(`perennial:buy:${id}`);
  expect(offered.data.filter((data) => data.startsWith('buy:'))).toEqual([
    `buy:basic:30:149.00:${id}:${end}`,
    `buy:basic:90:399.00:${id}:${end}`,
  ]);
  expect((await tap(`perennial:top_up:${id}`)).data).toContain('pay:500');
  expect((await tap('perennial:buy:')).data).toEqual(offered.data);
  expect((await tap(offered.data[0] ?? '')).text).toBe('Done: it runs until January 23, 2027.');
  expect((await tap(offered.data[0] ?? '')).text).toBe('This offer is old.');
  // With several subscriptions the customer chooses one.
  await addBalance(perennial.database, 7n, 10_00n);
  await buyPlan(perennial.database, 7n, { plan: 'mini', isNew: true });
  expect((await tap('buy')).data).toContain(`perennial:buy:${id}`);
});

test('a customer of a retired plan changes to another plan with the button of the notification', async () => {
  const { perennial, tap } = await startBot();
  const { database, send: sendToApi } = perennial;
  const id = await createSubscriber(database, 7n, 500_00n);
  const end = Date.parse('2026-12-24T09:00:00.000Z').toString(36);
  await database.pool.query(
    `UPDATE perennial.plan SET retired_at = perennial.clock() WHERE key = 'basic'`,
  );
  const { data } = await tap(`perennial:buy:${id}`);
  const choice = data.find((each) => each.startsWith('next:plus:30:')) ?? '';
  expect(choice).toMatch(new RegExp(`:${id}:${end}$`));
  expect(data.every((each) => each.startsWith('next:'))).toBe(true);
  // A second tap changes nothing more.
  expect((await tap(choice)).text).toBe('Done: with the next period.');
  expect((await tap(choice)).text).toBe('Done: with the next period.');
  const { json } = await sendToApi('GET', '/v1/customers/7');
  expect(json.subscriptions).toMatchObject([{ plan: 'basic', next_plan: 'plus' }]);
  await addBalance(database, 7n, 500_00n);
  expect(await runWorkerAt(database, '2026-12-24T08:00:00Z', 'auto-renewal')).toMatchObject({
    changed: 1n,
  });
  // The same button under an old message is outdated, because the end has changed.
  expect((await tap(choice)).text).toBe('This offer is old.');
});

test('after the end, the same button leads to a purchase; the bot states if no plan is on sale', async () => {
  const { perennial, tap } = await startBot();
  const { database } = perennial;
  const id = await createSubscriber(database, 7n, 500_00n);
  await tap(`renewal:${id}:false`);
  await database.pool.query(
    `UPDATE perennial.plan SET retired_at = perennial.clock() WHERE key = 'basic'`,
  );
  await runWorkerAt(database, '2026-12-26T09:00:00Z', 'fast-expiry-cleanup');
  const { data } = await tap(`perennial:buy:${id}`);
  const choice = data.find((each) => each.startsWith('buy:plus:30:')) ?? '';
  expect((await tap(choice)).text).toMatch(/^Done: it runs until/);
  await database.pool.query(`UPDATE perennial.plan SET retired_at = perennial.clock()`);
  const none = await tap(`perennial:buy:${id}`);
  expect(none.text).toBe('No plan is on sale.');
  expect(none.data).toContain('balance');
});

test('the bot is silent in a group', async () => {
  const { telegram, perennial, write } = await startBot();
  await createSubscriber(perennial.database, 7n, 500_00n);
  telegram.updates.sendMessage(anna, '/start', 100);
  telegram.updates.tapButton(anna, 'links', { group: 100 });
  telegram.updates.tapButton(anna, 'renewal:1:false', { group: 100 });
  // The bot handles updates in order, so the earlier updates are done.
  await write('/start');
  expect(telegram.log.map(({ chat }) => chat)).toEqual(['7']);
  const { json } = await perennial.send('GET', '/v1/customers/7');
  expect(json.subscriptions).toMatchObject([{ auto_renew: true }]);
});

test('during an outage of Perennial each tap gets an answer, and the bot works afterwards', async () => {
  // A proxy before Perennial drops connections, answers 502, or forwards requests.
  let way: 'drops' | 'answers' | 'passes' = 'drops';
  let behind = '';
  const proxy = createServer((request, response) => {
    if (way === 'drops') return request.socket.destroy();
    if (way === 'answers') return response.writeHead(502).end('<h1>Bad gateway</h1>');
    const { method = '', headers, url = '' } = request;
    const onward = send(`${behind}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    return request.pipe(onward);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => void proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const { perennial, tap } = await startBot(`http://127.0.0.1:${port}`);
  behind = perennial.address;
  await addCustomer(perennial.database, 7n, { balanceMinor: 500_00n });
  for (const outage of ['drops', 'answers'] as const) {
    way = outage;
    for (const data of ['balance', 'buy:basic:30:149.00:first', 'perennial:buy:']) {
      expect((await tap(data)).text, `${outage} ${data}`).toBe('Please try again in a moment.');
    }
  }
  way = 'passes';
  expect((await tap('buy:basic:30:149.00:first')).text).toMatch(/^Done/);
});

test('a tap with data of no button changes nothing', async () => {
  const { telegram, perennial, write } = await startBot();
  await createSubscriber(perennial.database, 7n, 500_00n);
  const before = await readFingerprint(perennial.database);
  const order = 'buy:basic:30:149.00';
  for (const data of [
    ...['', 'buy:', `${order}:9999999999999999999:a`, `${order}:1:zzzzzzzzzz`, 'buy:../x:30:1:new'],
    ...['renewal:1', 'renewal:../../8:true', 'renewal:1:yes', 'pay:1000000', 'pay:-5', 'pay:500x'],
    ...['perennial:buy:1:2', 'perennial:top_up:x', 'perennial:grant:1', 'buy-new2', 'trial '],
  ]) {
    telegram.updates.tapButton(anna, data);
  }
  // The bot handles updates in order, so the earlier updates are done.
  await write('/start');
  expect(telegram.log.map(({ text }) => text)).toEqual(['Welcome! What shall it be?']);
  const after = await readFingerprint(perennial.database);
  // The activity of the customer is an event. Money and rights are the same.
  expect(after.split(' ').slice(1, -1)).toEqual(before.split(' ').slice(1, -1));
});

test('a customer who never sent /start is asked for it', async () => {
  const { tap } = await startBot();
  expect((await tap('balance')).text).toBe('Please send /start first.');
});

test('the example bot has fewer than 250 lines', () => {
  const lines = readFileSync('examples/bot/bot.ts', 'utf8').split('\n').length - 1;
  expect(lines).toBeLessThan(250);
});
