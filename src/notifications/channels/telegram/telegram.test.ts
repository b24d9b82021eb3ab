import { createServer } from 'node:net';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { type BotApi, type CallOutcome, startBotApi } from '../../../../testbed/bot-api/bot-api.ts';
import type { Message } from '../channel.ts';
import { openTelegram, type TelegramSettings } from './telegram.ts';

const token = '123456789:AAF-canary_canary_canary_canary_canary';
const message: Message = {
  html: '<b>149.00 RUB</b> paid',
  plain: '149.00 RUB paid',
  subject: 'Paid',
  buttons: [
    [{ text: 'Open', url: 'https://example.com/' }],
    [{ text: 'Buy', callbackData: 'buy:7' }],
  ],
  silent: false,
  formatted: true,
};

const settings = (api: string, more: Partial<TelegramSettings> = {}): TelegramSettings => ({
  token,
  api,
  admins: [],
  perSecond: 20,
  deadlineMs: 500,
  ...more,
});

async function sendTo(api: Pick<BotApi, 'url'>, more: Partial<TelegramSettings> = {}) {
  const channel = openTelegram(settings(api.url, more));
  try {
    return await channel.send('1001', message, new AbortController().signal);
  } finally {
    channel.close();
  }
}

test('a message arrives with its markup, its buttons, and no preview; a silent one without a sound', async () => {
  using api = await startBotApi();
  expect(await sendTo(api)).toEqual({ is: 'sent', messageId: 1n });
  expect(api.log).toMatchObject([
    {
      chat: '1001',
      text: '<b>149.00 RUB</b> paid',
      silent: false,
      buttons: {
        inline_keyboard: [
          [{ text: 'Open', url: 'https://example.com/' }],
          [{ text: 'Buy', callback_data: 'buy:7' }],
        ],
      },
    },
  ]);
  expect(api.paths).toEqual([`/bot${token}/sendMessage`]);
});

test('a plain message has no markup and no buttons, and is cut to the length that Telegram accepts', async () => {
  using api = await startBotApi();
  const channel = openTelegram(settings(api.url));
  const plain = `a < b & ${'x'.repeat(5_000)}`;
  const sent = { ...message, plain, formatted: false };
  expect(await channel.send('1', sent, new AbortController().signal)).toMatchObject({ is: 'sent' });
  channel.close();
  expect(api.log[0]?.text).toBe(plain.slice(0, 4_096));
  expect(api.log[0]?.buttons).toBeUndefined();
});

const blocked = { error: 403, description: 'Forbidden: bot was blocked by the user' };
const outcomes: readonly (readonly [what: string, fate: CallOutcome, outcome: object])[] = [
  ['an answer that is lost after the message was taken', 'lose', { is: 'uncertain' }],
  ['a connection that breaks before it was taken', 'drop', { is: 'uncertain' }],
  ['no answer within the deadline', 'hang', { is: 'uncertain', error: 'no answer in time' }],
  ['502 of a proxy', { status: 502 }, { is: 'uncertain', error: 'answered 502, and not in JSON' }],
  ['500 of the Bot API', { error: 500, description: 'Internal Server Error' }, { is: 'uncertain' }],
  ['200 that is not JSON', { status: 200, taken: true }, { is: 'uncertain' }],
  ['a slow answer', { slowMs: 100 }, { is: 'sent' }],
  ['429', { tooMany: 3 }, { is: 'throttled', retryAfterMs: 3_000 }],
  [
    '429 that states the time in its text alone',
    { error: 429, description: 'Too Many Requests: retry after 7' },
    { is: 'throttled', retryAfterMs: 7_000 },
  ],
  [
    '429 that states no time',
    { error: 429, description: 'Too Many Requests' },
    { is: 'throttled', retryAfterMs: 5_000 },
  ],
  [
    '429 that states a year',
    { error: 429, description: 'Too Many Requests: retry after 31536000' },
    { is: 'throttled', retryAfterMs: 86_400_000 },
  ],
  ['a bot that is blocked', blocked, { is: 'unreachable', error: /blocked by the user/ }],
  [
    'a chat that is not there',
    { error: 400, description: 'Bad Request: chat not found' },
    { is: 'unreachable' },
  ],
  [
    'a message that is not taken',
    { error: 400, description: "Bad Request: can't parse entities" },
    { is: 'refused', error: /parse entities/ },
  ],
  ['a wrong token', { error: 401, description: 'Unauthorized' }, { is: 'not_sent' }],
];

test.for(outcomes)('%s', async ([, fate, outcome]) => {
  using api = await startBotApi({ conduct: () => fate });
  const expected = Object.fromEntries(
    Object.entries(outcome).map(([name, value]) => [
      name,
      value instanceof RegExp ? expect.stringMatching(value) : value,
    ]),
  );
  expect(await sendTo(api)).toMatchObject(expected);
});

test('a request that was never written is not sent: refused, unknown, silent, no handshake', async () => {
  const closedApi = await startBotApi();
  await closedApi.stop();
  expect(await sendTo(closedApi)).toMatchObject({ is: 'not_sent', error: /ECONNREFUSED/ });
  const unknown = await sendTo({ url: 'http://bot-api.invalid' });
  expect(unknown).toMatchObject({ is: 'not_sent' });
  // A server that accepts connections and does not speak TLS.
  using api = await startBotApi();
  const plain = await sendTo({ url: api.url.replace('http:', 'https:') });
  expect(plain).toMatchObject({ is: 'not_sent' });
  // A handshake that never ends.
  const silentServer = createServer(() => undefined).listen(0, '127.0.0.1');
  try {
    await new Promise((ready) => silentServer.once('listening', ready));
    const { port } = silentServer.address() as { port: number };
    const unanswered = await sendTo({ url: `https://127.0.0.1:${port}` });
    expect(unanswered).toMatchObject({ is: 'not_sent', error: 'no answer in time' });
  } finally {
    silentServer.close();
  }
  const aborted = openTelegram(settings(api.url));
  expect(await aborted.send('1', message, AbortSignal.abort())).toMatchObject({ is: 'not_sent' });
  aborted.close();
  expect(api.log).toEqual([]);
});

test('a reused connection leaves doubt, also if it breaks unread', async () => {
  using api = await startBotApi();
  const channel = openTelegram(settings(api.url));
  const { signal } = new AbortController();
  expect(await channel.send('1', message, signal)).toMatchObject({ is: 'sent' });
  api.conduct = () => 'drop';
  expect(await channel.send('2', message, signal)).toMatchObject({ is: 'uncertain' });
  channel.close();
  api.resetting = true;
  expect(await sendTo(api)).toMatchObject({ is: expect.stringMatching(/uncertain|not_sent/) });
});

test('a probe of the gateway sends nothing', async () => {
  using api = await startBotApi();
  const channel = openTelegram(settings(api.url));
  const { signal } = new AbortController();
  expect(await channel.checkHealth(signal)).toBeUndefined();
  api.getMeOutcome = { error: 401, description: 'Unauthorized' };
  expect(await channel.checkHealth(signal)).toEqual({ is: 'not_sent', error: '401 Unauthorized' });
  api.getMeOutcome = { tooMany: 7 };
  expect(await channel.checkHealth(signal)).toEqual({ is: 'throttled', retryAfterMs: 7_000 });
  api.getMeOutcome = 'drop';
  expect(await channel.checkHealth(signal)).toMatchObject({ is: 'not_sent' });
  expect(api.log).toEqual([]);
  channel.close();
});

test('the token is in no outcome, for any answer of a gateway', async () => {
  const echo = `Bad Request: no such path /bot${token}/sendMessage`;
  const fates: CallOutcome[] = [
    { error: 400, description: echo },
    { error: 403, description: echo },
    { error: 500, description: echo },
    { error: 401, description: `the secret is ${token.split(':')[1]}` },
    { status: 502, body: `<html>${echo}</html>` },
    { status: 200, body: `/bot${token}/` },
    'lose',
    'hang',
  ];
  for (const fate of fates) {
    using api = await startBotApi({ conduct: () => fate });
    expect(inspect(await sendTo(api), { depth: 9 })).not.toContain('canary');
  }
  const channel = openTelegram(settings('http://127.0.0.1:1'));
  expect(inspect(await channel.send('1', message, AbortSignal.abort()))).not.toContain('canary');
  expect(channel.id).toBe('telegram:123456789');
  channel.close();
});
