import { expect, test } from 'vitest';
import type { Metric } from '../runs/metrics.ts';
import { FigureCache } from './figure-cache.ts';

const metric = (value: number) => ({
  name: 'a',
  help: 'a',
  labels: [],
  values: [{ of: {}, value }],
});

const ignore = () => undefined;

/** Each read returns the number of reads so far. */
function createReads(): () => Promise<readonly Metric[]> {
  let reads = 0;
  return async () => {
    reads += 1;
    return [metric(reads)];
  };
}

test('scrapes within the age share one read', async () => {
  const cache = new FigureCache(createReads(), 60_000, ignore);
  const both = await Promise.all([cache.read(), cache.read()]);
  expect([...both, await cache.read()]).toEqual([[metric(1)], [metric(1)], [metric(1)]]);
});

test('an older value is read again', async () => {
  const cache = new FigureCache(createReads(), 0, ignore);
  await cache.read();
  expect(await cache.read()).toEqual([metric(2)]);
});

test('a failed read removes the values, and is logged', async () => {
  const logged: unknown[] = [];
  let reads = 0;
  const cache = new FigureCache(
    async () => {
      reads += 1;
      if (reads > 1) throw new Error('no database');
      return [metric(reads)];
    },
    0,
    (error) => void logged.push(error),
  );
  expect(await cache.read()).toEqual([metric(1)]);
  expect(await cache.read()).toEqual([]);
  expect(logged).toHaveLength(1);
});
