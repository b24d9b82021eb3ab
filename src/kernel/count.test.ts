import { expect, test } from 'vitest';
import { formatCount } from './count.ts';

test.each([
  [0, '0 users'],
  [1, '1 user'],
  [2, '2 users'],
  [9_627n, '9,627 users'],
  [1n, '1 user'],
])('%s is written as %j', (count, text) => {
  expect(formatCount(count, 'user')).toBe(text);
});

test('an irregular plural replaces the s', () => {
  expect(formatCount(2, 'entry', 'entries')).toBe('2 entries');
  expect(formatCount(1, 'entry', 'entries')).toBe('1 entry');
});
