import { expect, test } from 'vitest';
import { type Instant, later, minuteMs, parseInstant } from '../../kernel/instant.ts';
import { afterFailure, afterSuccess, holdsRemovals, type Stored, turnOf } from './rule.ts';

const now = parseInstant('2026-11-24T09:00:00Z', 'now');
const fresh: Stored = { reconciledAt: null, failures: 0, openUntil: null };
const at = (ms: number): Instant => later(now, ms);

test('X4: three failures open the breaker for 10 minutes, then there is one trial', () => {
  const once = afterFailure(fresh, now);
  const twice = afterFailure(once, now);
  expect([turnOf(once, now), turnOf(twice, now)]).toEqual(['due', 'due']);
  const thrice = afterFailure(twice, now);
  expect(turnOf(thrice, now)).toBe('open');
  expect(turnOf(thrice, at(10 * minuteMs - 1))).toBe('open');
  expect(turnOf(thrice, at(10 * minuteMs))).toBe('trial');
  const again = afterFailure(thrice, at(10 * minuteMs));
  expect(turnOf(again, at(20 * minuteMs - 1))).toBe('open');
  expect(turnOf(again, at(20 * minuteMs))).toBe('trial');
});

test('X4: one success closes the breaker and forgets the failures', () => {
  expect(afterSuccess(now)).toEqual({ reconciledAt: now, failures: 0, openUntil: null });
});

test.each([
  [null, 'due'],
  [at(-10 * minuteMs), 'due'],
  [at(-10 * minuteMs + 1), 'not_yet'],
  [now, 'not_yet'],
])('a node compared last at %s is %s', (reconciledAt, turn) => {
  expect(turnOf({ ...fresh, reconciledAt }, now)).toBe(turn);
});

test.each([
  [100, 50, false],
  [101, 50, true],
  [101, 1_009, true],
  [101, 1_010, false],
  [500, 5_000, false],
  [501, 5_000, true],
])('X3: %i removals of %i users of ours: held %s', (unwanted, ours, held) => {
  expect(holdsRemovals(unwanted, ours)).toBe(held);
});
