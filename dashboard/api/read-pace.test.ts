import { expect, test } from 'vitest';
import { isResting, noteDuration, withDuration } from './read-pace.ts';

const query = { queryHash: 'a', state: { dataUpdatedAt: 1_000_000 } };

test('a slow read rests five times its duration, and a quick one does not rest', async () => {
  expect(isResting(query, 1_000_000)).toBe(false);
  noteDuration('a', 3_000);
  expect(isResting(query, 1_014_999)).toBe(true);
  expect(isResting(query, 1_015_000)).toBe(false);
  expect(isResting({ ...query, queryHash: 'b' }, 1_000_000)).toBe(false);
  await withDuration('a', async () => undefined);
  expect(isResting(query, 1_000_000)).toBe(false);
});
