import { expect, test } from 'vitest';
import { later, parseInstant } from '../kernel/instant.ts';
import { createQueueClock } from './queue-clock.ts';

test('W3: the clock of the queue starts at the time of the database and advances only with the process', () => {
  const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
  let elapsedMs = 0;
  const clock = createQueueClock(start, () => elapsedMs);
  const wall = Date.now;
  try {
    // The wall clock of this process goes back by 25 days, and ahead by a year.
    for (const days of [0, -25, 365]) {
      Date.now = () => wall() + days * 86_400_000;
      elapsedMs += 1_500.7;
      expect(clock.now()).toBe(later(start, Math.floor(elapsedMs)));
    }
  } finally {
    Date.now = wall;
  }
});
