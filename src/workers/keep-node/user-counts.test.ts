import { expect, test } from 'vitest';
import { secondMs } from '../../kernel/instant.ts';
import { Recount } from './user-counts.ts';

test('X8: users are counted every 30 s', () => {
  const recount = new Recount();
  const at = [0, 29.9, 30, 59, 60].map((seconds) => recount.startIfDue(seconds * secondMs));
  expect(at).toEqual([true, false, true, false, true]);
});

test.each<[string, number, number, boolean]>([
  ['as many as before', 30, 0, true],
  ['as many as the changes explain', 25, -5, true],
  ['more than the changes explain', 40, 5, false],
  ['one less than the changes explain', 34, 5, false],
  ['none', 0, 0, false],
])('X8: a count is explained by the last one and the changes: %s', (_, users, net, explained) => {
  const recount = new Recount();
  expect(recount.explains('in', 30, 0)).toBe(false);
  expect(recount.explains('in', users, net)).toBe(explained);
});

test('X8: a count after one that failed has no explanation', () => {
  const recount = new Recount();
  recount.explains('in', 30, 0);
  recount.forget('in');
  expect(recount.explains('in', 30, 0)).toBe(false);
});
