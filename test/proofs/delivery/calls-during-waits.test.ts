import { expect, test } from 'vitest';
import { countCallsDuringWaits } from './calls-during-waits.ts';

test('the proof finds the calls during a wait, their number and their delay', () => {
  const log = [99, 100, 101, 180, 200, 250].map((atMs) => ({ atMs }));
  const waits = [
    { fromMs: 100, untilMs: 200 },
    { fromMs: 300, untilMs: 400 },
  ];
  expect(countCallsDuringWaits(log, waits)).toEqual({ most: 2, latestMs: 80 });
  expect(countCallsDuringWaits([], waits)).toEqual({ most: 0, latestMs: 0 });
});
