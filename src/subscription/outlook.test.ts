import { expect, test } from 'vitest';
import { hourMs, type Instant, instant, later } from '../kernel/instant.ts';
import { leftFor, type Renewing } from './outlook.ts';

const end = instant(Date.UTC(2026, 11, 24, 12));
const before = (hours: number): Instant => later(end, -hours * hourMs);

const other = (hoursBefore: number, periodDays: number, priceMinor: bigint): Renewing => ({
  expiresAt: before(hoursBefore),
  periodDays,
  priceMinor,
});

test.each<[string, readonly Renewing[], bigint]>([
  ['nothing else', [], 100n],
  ['one that ends before', [other(1, 30, 40n)], 60n],
  ['one that ends with it and was bought first', [other(0, 30, 40n)], 60n],
  ['one that can not be paid', [other(1, 30, 101n)], 100n],
  [
    'a dear one and a cheap one behind it',
    [other(9, 30, 90n), other(8, 30, 20n), other(7, 30, 5n)],
    5n,
  ],
  // Two days before, one day before, and not at the very end.
  ['one by the day, which takes its price several times', [other(48, 1, 10n)], 80n],
  ['two by the day', [other(47, 1, 10n), other(23, 1, 30n)], 50n],
])('of a balance of 100 there is left, after %s', (_, earlier, left) => {
  expect(leftFor(end, earlier, 100n)).toBe(left);
});

test('what is taken before never leaves less than nothing', () => {
  const family = [other(70, 1, 33n), other(50, 2, 20n), other(10, 30, 60n)];
  for (let balance = 0n; balance < 200n; balance += 1n) {
    expect(leftFor(end, family, balance) >= 0n).toBe(true);
  }
});
