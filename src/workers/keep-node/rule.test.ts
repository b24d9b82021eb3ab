import { describe, expect, test } from 'vitest';
import { Fault } from '../../kernel/faults.ts';
import { hourMs, type Instant, instant, later, minuteMs, secondMs } from '../../kernel/instant.ts';
import {
  type BootFacts,
  computeInFlightMax,
  computeRecheckAt,
  isMissingUsers,
  markRetryMs,
  orderMarks,
  toBoot,
  toBootWindow,
  updateBreaker,
  workBackoffMs,
} from './rule.ts';

const now = instant(Date.parse('2026-11-24T09:00:00Z'));
const seconds = (count: number): Instant => later(now, count * secondMs);
const transient = (code: string) => new Fault('transient', code, code);
const permanent = (code: string) => new Fault('permanent', code, code);

test.each([
  [0, 128],
  [21.3, 128],
  [21.4, 129],
  [50, 300],
  [86, 512],
  [5_000, 512],
])('a node that answers in %d ms has %i credentials in progress per lane', (ms, many) => {
  expect(computeInFlightMax(ms)).toBe(many);
});

describe('the order of a page', () => {
  const mark = (name: string, wanted: boolean, lost = 0, heldUntil: Instant | null = null) => ({
    ...{ name, wanted, lost, heldUntil },
  });
  const names = (marks: readonly { name: string }[]) => marks.map(({ name }) => name).join(' ');

  test('removals run first, a suspect runs alone, a quarantined add waits, and a removal never waits', () => {
    const order = orderMarks(
      [
        mark('add', true),
        mark('suspect', true, 1),
        mark('remove', false),
        mark('held', true, 2, seconds(1)),
        mark('held-no-more', true, 2, now),
        mark('remove-held', false, 2, seconds(1)),
      ],
      now,
    );
    expect(names(order.concurrent)).toBe('remove remove-held add');
    expect(names(order.suspects)).toBe('suspect');
    expect(names(order.held)).toBe('held');
  });

  const many = (lost: number, count: number) =>
    Array.from({ length: count }, (_, at) => mark(`${lost}/${at}`, true, lost));
  test.for<[string, ReturnType<typeof mark>[], string[]]>([
    ['a few run one by one', many(1, 31), ['1/0']],
    ['many run at once', many(1, 32), many(1, 32).map(({ name }) => name)],
    ['not with suspects of two crashes', [...many(1, 2), ...many(2, 30)], ['1/0', '1/1']],
    ['suspects of two crashes run alone', many(2, 32), ['2/0']],
  ])('suspects: %s', ([, marks, go]) => {
    expect(orderMarks(marks, now).suspects.map(({ name }) => name)).toEqual(go);
  });

  test('a held mark is read again within a minute, because a person may retry it at any time', () => {
    expect(computeRecheckAt(later(now, hourMs), now)).toBe(later(now, minuteMs));
    expect(computeRecheckAt(seconds(59), now)).toBe(seconds(59));
  });

  test('a quarantine holds only a suspected credential', () => {
    const { concurrent, held } = orderMarks([mark('new', true, 0, seconds(1))], now);
    expect([names(concurrent), names(held)]).toEqual(['new', '']);
  });
});

describe('a restart between two probes', () => {
  // A call at 100 s of the keeper's stopwatch, with an answer 10 ms later.
  const callSpan = { fromMs: 100_000, toMs: 100_010 };
  const facts = (more: Partial<BootFacts> = {}): BootFacts => ({
    bootAt: seconds(-50),
    lastUptimeS: 46,
    bootWindow: undefined,
    wasUnreachable: false,
    ...more,
  });
  const takenOver = (bootS: number) => ({ bootAt: seconds(bootS), lastUptimeS: undefined });
  test.for<[string, Partial<BootFacts>, number, string]>([
    ['never seen', { bootAt: null }, 50, 'new'],
    ['the same time', {}, 50, 'same'],
    ['the same time, to a new keeper', { lastUptimeS: undefined }, 50, 'doubtful'],
    ['a minute later, to a new keeper', takenOver(-110), 50, 'doubtful'],
    ['more than a minute later, to a new keeper', takenOver(-111), 50, 'new'],
    ['more than a minute earlier, to a new keeper', takenOver(11), 50, 'doubtful'],
    [
      'more than a minute later, and the stopwatch contradicts',
      { bootAt: seconds(-111), bootWindow: toBootWindow(48, { fromMs: 98_000, toMs: 98_010 }) },
      50,
      'doubtful',
    ],
    ['2 s later, which is jitter', {}, 48, 'same'],
    ['3 s later', {}, 47, 'doubtful'],
    ['earlier: a clock was set back', {}, 60, 'same'],
    ['it was unreachable', { wasUnreachable: true }, 50, 'doubtful'],
    ['its uptime starts again', { lastUptimeS: 51 }, 50, 'new'],
    [
      'a second probe of the same boot',
      { bootWindow: toBootWindow(48, { fromMs: 98_000, toMs: 98_010 }) },
      50,
      'same',
    ],
    [
      'its uptime is behind the stopwatch',
      { bootWindow: toBootWindow(50, { fromMs: 98_000, toMs: 98_010 }) },
      50,
      'doubtful',
    ],
  ])('%s', ([, more, uptimeS, is]) => {
    expect(toBoot(facts(more), uptimeS, callSpan, now).is).toBe(is);
  });

  test('the same boot keeps its time, so jitter does not add up', () => {
    expect(toBoot(facts(), 49, callSpan, now).bootAt).toBe(seconds(-50));
  });

  test('a node with enough users has not lost ours, also if some are foreign', () => {
    expect(isMissingUsers([5, 5], 5)).toBe(false);
    expect(isMissingUsers([5, 4], 5)).toBe(true);
    expect(isMissingUsers([0], 0)).toBe(false);
  });
});

test('the breaker opens at the third failure, stays open with each further one, and closes by one good probe', () => {
  expect(updateBreaker(1, 'failed', now)).toEqual({ failures: 2, openUntil: null });
  expect(updateBreaker(2, 'failed', now)).toEqual({ failures: 3, openUntil: seconds(30) });
  expect(updateBreaker(9, 'failed', now)).toEqual({ failures: 10, openUntil: seconds(30) });
  expect(updateBreaker(9, 'good', now)).toEqual({ failures: 0, openUntil: null });
});

test('a mark waits up to 4 s for a fault of the node, and up to an hour for its own fault', () => {
  expect(markRetryMs(transient('node_unreachable'), 1)).toBe(secondMs);
  expect(markRetryMs(transient('node_deadline'), 1_000)).toBe(4 * secondMs);
  expect(markRetryMs(permanent('node_refused'), 1)).toBe(minuteMs);
  expect(markRetryMs(permanent('bad_credential'), 1_000)).toBe(hourMs);
  expect(markRetryMs(transient('node_cancelled'), 3)).toBe(0);
  expect(workBackoffMs(transient('node_lost'), 1_000)).toBe(4 * secondMs);
  expect(workBackoffMs(permanent('unknown_inbound'), 1_000)).toBe(30 * secondMs);
});
