import { expect, test } from 'vitest';
import { createQueueClock } from '../db/queue-clock.ts';
import { WakeableSleep } from '../leases/wakeable-sleep.ts';
import { dayMs, instant } from './instant.ts';
import { pause, startInterval, startTimer, timeoutSignal, timerMaxMs, timerMs } from './timer.ts';

test.each([
  [Number.NaN, 0],
  [-1, 0],
  [Number.NEGATIVE_INFINITY, 0],
  [0, 0],
  [1.5, 1.5],
  [timerMaxMs, timerMaxMs],
  [timerMaxMs + 1, timerMaxMs],
  [30 * dayMs, timerMaxMs],
  [Number.POSITIVE_INFINITY, timerMaxMs],
])('a wait of %s ms holds %s ms', (ms, held) => {
  expect(timerMs(ms)).toBe(held);
});

test('W3: a wait of 30 days, or one that is not a number, causes no warning of Node.js', async () => {
  const warnings: string[] = [];
  const note = ({ name }: Error) => void warnings.push(name);
  process.on('warning', note);
  const ended = AbortSignal.abort();
  const clock = createQueueClock(instant(0));
  for (const ms of [30 * dayMs, Number.NaN, -1]) {
    for (const timer of [startTimer, startInterval, clock.setTimeout, clock.setInterval])
      clearTimeout(timer(() => undefined, ms));
    timeoutSignal(ms);
    await Promise.all([pause(ms, ended), new WakeableSleep().sleep(ms, ended)]);
  }
  // Node.js emits a warning in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', note);
  expect(warnings).toEqual([]);
});
