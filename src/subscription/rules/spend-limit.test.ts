import { expect, test } from 'vitest';
import { hourMs, instant, later, minuteMs } from '../../kernel/instant.ts';
import { defaultSpendLimits } from './settings.ts';
import {
  type ChargeSums,
  computeComparedFrom,
  isChargeAboveLimit,
  isRunAboveLimit,
  toForecastStep,
} from './spend-limit.ts';

const now = instant(Date.UTC(2026, 10, 24, 9, 17));

const rub = (count: number, minor = BigInt(count) * 100n): ChargeSums =>
  new Map([['RUB', { count, minor }]]);

test.each<[string, ChargeSums, number, ChargeSums, boolean]>([
  ['100 charges that no forecast expects', rub(100), 0, new Map(), false],
  ['101 charges that no forecast expects', rub(101), 0, new Map(), true],
  ['100 charges after one since the last run', rub(100), 1, new Map(), true],
  ['three times the forecast', rub(1_200), 0, rub(400), false],
  ['more than three times the forecast', rub(1_201), 0, rub(400), true],
  ['charges of earlier runs count', rub(1_200), 1, rub(400), true],
  ['three times the sum', rub(400, 120_000n), 0, rub(400, 40_000n), false],
  ['more than three times the sum', rub(400, 120_001n), 0, rub(400, 40_000n), true],
  ['a large sum of 100 charges', rub(100, 10_000_000n), 0, rub(100, 1n), false],
  [
    'another currency that no forecast expects',
    new Map([...rub(400), ['USD', { count: 101, minor: 1n }]]),
    0,
    rub(400),
    true,
  ],
])('a run of %s: held %o', (_, due, done, forecast, isHeld) => {
  expect(isRunAboveLimit(due, done, forecast, defaultSpendLimits)).toBe(isHeld);
});

test('other limits change the comparison', () => {
  const limits = { floor: 10, factor: 1.5 };
  expect(isRunAboveLimit(rub(15), 0, rub(10), limits)).toBe(false);
  expect(isRunAboveLimit(rub(16), 0, rub(10), limits)).toBe(true);
});

test.each<[string, bigint, bigint | null, boolean]>([
  ['three times the earlier price', 44_700n, 14_900n, false],
  ['more than three times the earlier price', 44_701n, 14_900n, true],
  ['any charge without an earlier price', 1_000_000n, null, false],
])('%s is held: %o', (_, charge, earlier, isHeld) => {
  expect(isChargeAboveLimit(charge, earlier, defaultSpendLimits)).toBe(isHeld);
});

test('the compared time begins at the last complete run, at most 2 hours ago', () => {
  const recent = later(now, -10 * minuteMs);
  expect(computeComparedFrom(recent, now)).toBe(recent);
  expect(computeComparedFrom(later(now, -24 * hourMs), now)).toBe(later(now, -2 * hourMs));
  expect(computeComparedFrom(null, now)).toBe(later(now, -2 * hourMs));
});

test('a step of the forecast has ten minutes', () => {
  expect(toForecastStep(now)).toBe(later(now, -7 * minuteMs));
});
