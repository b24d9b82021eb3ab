import { expect, test } from 'vitest';
import { secondMs } from '../../kernel/instant.ts';
import { Recount } from './user-counts.ts';

test('users are counted every 30 s', () => {
  const recount = new Recount();
  const at = [0, 29.9, 30, 59, 60].map((seconds) => recount.begin(seconds * secondMs));
  expect(at).toEqual([true, false, true, false, true]);
});

test.each<[string, number, number, boolean]>([
  ['as many as before', 30, 0, false],
  ['as many as the changes explain', 25, -5, false],
  ['more than the changes explain', 40, 5, false],
  ['one less than the changes explain', 34, 5, true],
  ['none', 0, 0, true],
])('X8: %s: %i users after %i changes', (_, users, net, isLower) => {
  const recount = new Recount();
  expect(recount.note('in', 30, 0)).toBe(false);
  expect(recount.note('in', users, net)).toBe(isLower);
});
