import { expect, test } from 'vitest';
import { type MailOutcome, startMailServer } from '../../../../test/support/mail-server.ts';
import type { Message } from '../channel.ts';
import { openEmail } from './email.ts';

const message: Message = {
  html: '<b>3</b> runs failed',
  plain: '3 runs failed',
  subject: 'auto-renewal fails',
  buttons: [[{ text: 'Open', url: 'https://example.com/' }]],
  silent: false,
  formatted: true,
};

async function sendTo(url: string) {
  const from = 'Perennial <perennial@example.net>';
  const channel = openEmail({ url, from, admins: [], perSecond: 5, deadlineMs: 1_000 });
  return channel.send('ops@example.net', message, new AbortController().signal);
}

test('a message arrives as text, with its subject and its links', async () => {
  using server = await startMailServer();
  expect(await sendTo(server.url)).toEqual({ is: 'sent', messageId: null });
  expect(server.mails).toHaveLength(1);
  expect(server.mails[0]?.to).toBe('ops@example.net');
  expect(server.mails[0]?.source).toMatch(/^Subject: auto-renewal fails$/m);
  expect(server.mails[0]?.source).toMatch(/3 runs failed[\s\S]*Open: https:\/\/example\.com\//);
});

const outcomes: readonly (readonly [MailOutcome, string])[] = [
  ['greet_reset', 'not_sent'],
  // nodemailer reads the message ahead, so this case cannot be distinguished from the next ones.
  ['rcpt_reset', 'uncertain'],
  ['data_reset', 'uncertain'],
  ['lose', 'uncertain'],
  [{ at: 'MAIL', answer: '451 try later' }, 'not_sent'],
  [{ at: 'RCPT', answer: '550 no such user' }, 'unreachable'],
  [{ at: 'RCPT', answer: '450 greylisted' }, 'not_sent'],
  [{ at: 'DATA', answer: '451 not now' }, 'not_sent'],
  [{ at: 'END', answer: '554 looks like spam' }, 'refused'],
  [{ at: 'END', answer: '451 not now' }, 'not_sent'],
];

test.for(outcomes)('a server that does %j: %s', async ([fate, is]) => {
  using server = await startMailServer();
  server.outcome = fate;
  expect(await sendTo(server.url)).toMatchObject({ is });
});

test('an unreachable server received nothing, and its password is not in the outcome', async () => {
  const closedServer = await startMailServer();
  closedServer[Symbol.dispose]();
  expect(await sendTo(closedServer.url)).toMatchObject({ is: 'not_sent' });
  using server = await startMailServer();
  const from = 'a@example.net';
  const secret = server.url.replace('//', '//ops:canary-canary@');
  const channel = openEmail({ url: secret, from, admins: [], perSecond: 5, deadlineMs: 1_000 });
  const { signal } = new AbortController();
  const output = JSON.stringify([
    await channel.checkHealth(signal),
    await channel.send('a@b', message, signal),
    channel.id,
  ]);
  expect(output).not.toContain('canary');
  expect(channel.id).toBe(`email:ops@${new URL(server.url).host}`);
});
