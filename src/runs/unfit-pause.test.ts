import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { minuteMs, secondMs } from '../kernel/instant.ts';
import { pauseUnfit } from './unfit-pause.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** @returns the length of the pause in ms of the virtual clock */
async function pauseMs(isClockRight: ((ms: number) => boolean) | undefined): Promise<number> {
  const begunMs = performance.now();
  const sinceMs = () => performance.now() - begunMs;
  const { signal } = new AbortController();
  let endedMs: number | undefined;
  const isRight = isClockRight === undefined ? undefined : () => isClockRight(sinceMs());
  void pauseUnfit({ signal, isClockRight: isRight }).then(() => {
    endedMs = sinceMs();
  });
  while (endedMs === undefined) await vi.advanceTimersByTimeAsync(secondMs);
  return Math.round(endedMs / secondMs) * secondMs;
}

test.each([
  ['a right clock waits 30 s', undefined, 30 * secondMs],
  ['a clock that becomes right after 100 s waits 120 s', (ms: number) => ms > 100_000, 120_000],
  ['a wrong clock tries again after 5 min', () => false, 5 * minuteMs],
])('K8: after a skipped run a replica with %s', async (_, isClockRight, expected) => {
  expect(await pauseMs(isClockRight)).toBe(expected);
});

test('K8: the pause of a replica ends with its service', async () => {
  const ending = new AbortController();
  const paused = pauseUnfit({ signal: ending.signal, isClockRight: () => false });
  ending.abort();
  await paused;
});
