import { expect, test } from 'vitest';
import { type Instant, instant, later } from '../kernel/instant.ts';
import type { NextDue } from '../runs/worker.ts';
import { watchDue } from './due-watch.ts';

// The tests use virtual time: a pause advances the clock.

const begin = instant(1_000_000);
const at = (ms: number): Instant => later(begin, ms);

interface WatchResult {
  /** Wake-ups, in ms from the beginning. */
  readonly woken: number[];
  readonly reads: number;
}

/** Watches ends for this duration. `onRead` may change them, or fail. */
async function runWatch(
  ends: number[],
  forMs: number,
  onRead: (nowMs: number) => NextDue | 'failed' | undefined = () => undefined,
): Promise<WatchResult> {
  const ending = new AbortController();
  const woken: number[] = [];
  let [nowMs, reads] = [0, 0];
  await watchDue({
    signal: ending.signal,
    async readNextDue(after = at(nowMs)) {
      reads += 1;
      const reply = onRead(nowMs);
      if (reply !== undefined) return reply === 'failed' ? undefined : reply;
      const next = ends.filter((ms) => at(ms) > after).sort((a, b) => a - b)[0];
      return { now: at(nowMs), at: next === undefined ? undefined : at(next) };
    },
    wake: () => void woken.push(nowMs),
    async sleep(ms) {
      expect(ms).toBeGreaterThan(0);
      nowMs += ms;
      if (nowMs > forMs) ending.abort();
    },
  });
  return { woken, reads };
}

test('the worker is woken exactly at an end, once for each end', async () => {
  expect((await runWatch([700, 61_500, 200_000], 300_000)).woken).toEqual([700, 61_500, 200_000]);
});

test('an end that passed before the watch began is left to the first slot', async () => {
  expect((await runWatch([-1, 0], 60_000)).woken).toEqual([]);
});

test('an end that is stored or moved forward after the last check wakes the worker within 2 s', async () => {
  const ends = [500_000];
  const { woken } = await runWatch(ends, 60_000, (nowMs) => {
    if (nowMs === 10_000) ends.push(10_001, 11_999);
    return undefined;
  });
  expect(woken.length).toBeGreaterThanOrEqual(1);
  expect(woken[0]).toBeLessThanOrEqual(12_000);
  expect(woken.at(-1)).toBeLessThanOrEqual(14_000);
});

test('ends that follow each other cause one wake-up a second, the last one within a second', async () => {
  const ends = Array.from({ length: 1_000 }, (_, n) => 5_000 + n * 10);
  const { woken } = await runWatch(ends, 60_000);
  expect(woken.length).toBeLessThanOrEqual(11);
  expect(woken[0]).toBe(5_000);
  expect(woken.at(-1)).toBeGreaterThanOrEqual(14_990);
  expect(woken.at(-1)).toBeLessThanOrEqual(15_990);
});

test('without an end the watch checks every 2 s, and never more often than once a second', async () => {
  expect((await runWatch([], 60_000)).reads).toBeLessThanOrEqual(31);
  const failing = await runWatch([], 60_000, () => 'failed');
  expect(failing.reads).toBeLessThanOrEqual(61);
  expect(failing.woken).toEqual([]);
});

test('an end that passed during an outage of the database wakes the worker at the first answer', async () => {
  const { woken } = await runWatch([10_000], 60_000, (nowMs) =>
    nowMs > 3_000 && nowMs < 30_000 ? 'failed' : undefined,
  );
  expect(woken).toHaveLength(1);
  expect(woken[0]).toBeLessThanOrEqual(31_000);
});

test('after a clock was set back, an end that comes again wakes the worker again', async () => {
  const back: NextDue = { now: at(-50_000), at: at(700) };
  const { woken } = await runWatch([700], 60_000, (nowMs) => (nowMs === 3_700 ? back : undefined));
  expect(woken).toEqual([700, 5_700]);
});
