import { expect, test } from 'vitest';
import { type Instant, instant, later, minuteMs } from '../kernel/instant.ts';
import { describeNoticeCause, findNoticeCause, type NoticeCauseFacts } from './notice-cause.ts';

const now = instant(Date.parse('2026-11-24T09:00:00Z'));
const at = (ms: number): Instant => later(now, ms);
const until = at(minuteMs);

const due: NoticeCauseFacts = {
  channel: 'telegram',
  sendingSince: null,
  nextAttemptAt: now,
  error: null,
  quarantine: null,
  decision: { do: 'send', params: {}, silent: false },
  courier: { id: 'telegram:1', isRunning: true, pausedUntil: null, error: null },
};
const courier = { id: 'telegram:1', isRunning: true, pausedUntil: null, error: null };

// The order is that of the rule.
test.each<[state: string, change: Partial<NoticeCauseFacts>, suspect: string | null, code: string]>(
  [
    ['is being sent', { sendingSince: now }, 'a jump', 'sending'],
    ['is due at a suspect time', {}, 'a jump', 'clock_suspect'],
    ['is in quarantine', { quarantine: { reason: 'bug', retryAt: until } }, null, 'quarantined'],
    ['has a kind of a newer version', { decision: null }, null, 'unknown_kind'],
    ['is outdated', { decision: { do: 'suppress', reason: 'ended' } }, null, 'outdated'],
    [
      'waits for the morning',
      { decision: { do: 'wait', until, waitsFor: 'morning' } },
      null,
      'waits_for_morning',
    ],
    [
      'waits for the customer',
      { decision: { do: 'wait', until, waitsFor: 'customer' } },
      null,
      'waits_for_customer',
    ],
    ['failed a minute ago', { nextAttemptAt: until, error: 'a timeout' }, null, 'retry'],
    ['has a channel without a courier', { courier: null }, null, 'no_courier'],
    [
      'has a courier that is not running',
      { courier: { ...courier, isRunning: false } },
      null,
      'courier_stopped',
    ],
    [
      'has a courier that pauses',
      { courier: { ...courier, pausedUntil: until, error: '429' } },
      null,
      'courier_pauses',
    ],
    ['has a courier that paused', { courier: { ...courier, pausedUntil: now } }, null, 'due'],
    ['is due', {}, null, 'due'],
  ],
)('a notification that %s', (_, change, suspect, code) => {
  const reason = describeNoticeCause(findNoticeCause({ ...due, ...change }, now, suspect));
  expect(reason.code).toBe(code);
  for (const value of Object.values(reason.params)) {
    if (value !== null) expect(reason.sentence).toContain(String(value));
  }
});
