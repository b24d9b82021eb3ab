import { expect, test } from 'vitest';
import { runConcurrently } from './concurrency.ts';

const yieldToEventLoop = () => new Promise((resolve) => setImmediate(resolve));

test('every item is processed once, and the limit of concurrent items holds', async () => {
  const done: number[] = [];
  let under = 0;
  let most = 0;
  await runConcurrently(Array.from({ length: 100 }, (_, at) => at).values(), 7, async (item) => {
    under += 1;
    most = Math.max(most, under);
    await yieldToEventLoop();
    under -= 1;
    done.push(item);
  });
  expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, at) => at));
  expect(most).toBe(7);
});

test('after a failure no item begins, pending items end, and the failure is thrown', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const work = runConcurrently([0, 1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error('lost');
    await yieldToEventLoop();
    ended.push(item);
  });
  await expect(work).rejects.toThrow('lost');
  expect(begun).toEqual([0, 1, 2]);
  expect(ended).toEqual([0, 2]);
});

test('fewer items than the limit are processed', async () => {
  await runConcurrently([], 16, () => Promise.reject(new Error('none')));
});
