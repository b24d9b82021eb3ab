import { expect, test } from 'vitest';
import { instant } from '../../kernel/instant.ts';
import { formatAge, formatSpan, formatTimeAndAge } from './time-text.ts';

const now = instant(Date.parse('2026-11-24T09:00:00.000Z'));

test.each([
  [-0, '0 ms'],
  [999, '999 ms'],
  [1_000, '1 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [7_199_999, '119 min'],
  [7_200_000, '2 h'],
  [172_799_999, '47 h'],
  [172_800_000, '2 d'],
])('%i ms are "%s"', (ms, text) => {
  expect(formatSpan(ms)).toBe(text);
});

test.each([
  ['2026-11-24T08:57:00.000Z', '3 min ago'],
  ['2026-11-24T09:00:00.999Z', 'now'],
  ['2026-11-24T09:50:00.000Z', 'in 50 min'],
])('%s is "%s"', (at, text) => {
  expect(formatAge(instant(Date.parse(at)), now)).toBe(text);
});

test('a time has its zone and its distance', () => {
  expect(formatTimeAndAge(instant(now - 180_000), now)).toBe('2026-11-24 08:57Z (3 min ago)');
});
