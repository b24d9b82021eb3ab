import { expect, test } from 'vitest';
import { dayMs, hourMs, instant, later, minuteMs, never, secondMs } from '../../kernel/instant.ts';
import type { SendOutcome } from '../../notifications/channels/channel.ts';
import { mustProbeFirst, type SendAttempt, toBackoffState, toSettlement } from './rule.ts';

const now = instant(Date.UTC(2026, 10, 24, 12));
const after = (ms: number) => later(now, ms);
const sure: SendAttempt = {
  policy: 'at_least_once',
  to: 'customer',
  attempts: 1,
  lostAnswers: 0,
  plain: false,
};
const once: SendAttempt = { ...sure, policy: 'at_most_once' };
const alarm: SendAttempt = { ...sure, to: 'admins' };
const lost: SendOutcome = { is: 'uncertain', error: 'no answer in time' };
const notTaken: SendOutcome = { is: 'not_sent', error: 'connect ECONNREFUSED' };

test.for([
  ['sent', once, { is: 'sent', messageId: 7n }, { state: 'sent', reachable: true, lost: false }],
  [
    'not taken: again',
    once,
    notTaken,
    { state: 'pending', nextAttemptAt: after(secondMs), lost: false },
  ],
  [
    'not taken the 5th time',
    { ...once, attempts: 5 },
    notTaken,
    { nextAttemptAt: after(16 * secondMs) },
  ],
  [
    'not taken the 50th time',
    { ...once, attempts: 50 },
    notTaken,
    { nextAttemptAt: after(hourMs) },
  ],
  ['too many', once, { is: 'throttled', retryAfterMs: 3_000 }, { state: 'pending', lost: false }],
  [
    'lost, must arrive',
    sure,
    lost,
    { state: 'uncertain', nextAttemptAt: after(secondMs), lost: true },
  ],
  ['lost, must not nag', once, lost, { state: 'uncertain', nextAttemptAt: never, lost: true }],
  [
    'lost the 9th time',
    { ...sure, lostAnswers: 8 },
    lost,
    { state: 'uncertain', nextAttemptAt: after(secondMs) },
  ],
  [
    'lost the 10th time',
    { ...sure, lostAnswers: 9 },
    lost,
    { state: 'uncertain', nextAttemptAt: never },
  ],
  [
    'blocked',
    sure,
    { is: 'unreachable', error: '403 blocked' },
    {
      ...{ state: 'pending', reason: 'unreachable: 403 blocked', reachable: false, lost: false },
      nextAttemptAt: after(7 * dayMs),
    },
  ],
  [
    'a reminder to who blocked the bot',
    once,
    { is: 'unreachable', error: '403 blocked' },
    { state: 'failed', reason: '403 blocked', reachable: false },
  ],
  [
    'an alarm to an admin who did',
    alarm,
    { is: 'unreachable', error: '403 blocked' },
    { state: 'failed', reason: '403 blocked' },
  ],
  [
    'a formatted message that is refused',
    sure,
    { is: 'refused', error: '400' },
    { state: 'pending', reason: '400', nextAttemptAt: now, lost: false, plain: true },
  ],
  [
    'a plain message that is refused',
    { ...sure, plain: true },
    { is: 'refused', error: '400' },
    { state: 'failed', reason: '400' },
  ],
] satisfies [string, SendAttempt, SendOutcome, object][])(
  '%s',
  ([, attempt, outcome, settlement]) => {
    expect(toSettlement(attempt, outcome, now)).toMatchObject(settlement);
  },
);

test('a refused message does not affect the reachability of its customer', () => {
  expect(toSettlement(sure, { is: 'refused', error: '400' }, now)).not.toHaveProperty('reachable');
});

test.for([
  ['one failure is an accident', 0, lost, 1, 0],
  ['two are not', 1, lost, 2, secondMs],
  ['each further one waits longer', 4, notTaken, 5, 8 * secondMs],
  ['at most a minute', 40, notTaken, 41, minuteMs],
  ['a gateway states the length', 0, { is: 'throttled', retryAfterMs: 7_000 }, 0, 7_000],
  ['one that answers is well', 9, { is: 'sent', messageId: 1n }, 0, 0],
  ['also one that refuses', 9, { is: 'refused', error: '400' }, 0, 0],
] satisfies [string, number, SendOutcome, number, number][])(
  'a courier pauses: %s',
  ([, before, outcome, failures, pauseMs]) => {
    expect(toBackoffState(before, outcome)).toMatchObject({ failures, pauseMs });
  },
);

test('the gateway is asked before a send from its second failure in a row on', () => {
  expect([0, 1, 2, 9].map(mustProbeFirst)).toEqual([false, false, true, true]);
});
