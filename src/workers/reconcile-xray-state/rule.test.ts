import { expect, test } from 'vitest';
import { type Instant, later, minuteMs, parseInstant } from '../../kernel/instant.ts';
import {
  type ComparisonState,
  dueStateOf,
  mustHoldRemovals,
  toStateAfterFailure,
  toStateAfterSuccess,
} from './rule.ts';

const now = parseInstant('2026-11-24T09:00:00Z', 'now');
const fresh: ComparisonState = { reconciledAt: null, failures: 0, openUntil: null };
const at = (ms: number): Instant => later(now, ms);

test('X4: three failures open the breaker for 10 minutes, then there is one trial', () => {
  const once = toStateAfterFailure(fresh, now);
  const twice = toStateAfterFailure(once, now);
  expect([dueStateOf(once, now), dueStateOf(twice, now)]).toEqual(['due', 'due']);
  const thrice = toStateAfterFailure(twice, now);
  expect(dueStateOf(thrice, now)).toBe('open');
  expect(dueStateOf(thrice, at(10 * minuteMs - 1))).toBe('open');
  expect(dueStateOf(thrice, at(10 * minuteMs))).toBe('trial');
  const again = toStateAfterFailure(thrice, at(10 * minuteMs));
  expect(dueStateOf(again, at(20 * minuteMs - 1))).toBe('open');
  expect(dueStateOf(again, at(20 * minuteMs))).toBe('trial');
});

test('X4: one success closes the breaker and forgets the failures', () => {
  expect(toStateAfterSuccess(now)).toEqual({ reconciledAt: now, failures: 0, openUntil: null });
});

test.each([
  [null, 'due'],
  [at(-10 * minuteMs), 'due'],
  [at(-10 * minuteMs + 1), 'not_yet'],
  [now, 'not_yet'],
])('a node compared last at %s is %s', (reconciledAt, turn) => {
  expect(dueStateOf({ ...fresh, reconciledAt }, now)).toBe(turn);
});

test.each([
  [100, 50, false],
  [101, 50, true],
  [101, 1_009, true],
  [101, 1_010, false],
  [500, 5_000, false],
  [501, 5_000, true],
])('X3: %i removals of %i users of ours: held %s', (unwanted, ours, held) => {
  expect(mustHoldRemovals(unwanted, ours)).toBe(held);
});
