import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instant, later } from '../kernel/instant.ts';
import { createSlots } from './slots.ts';

const seconds = fc.integer({ min: 1, max: 7 * 86_400 });
const now = fc.integer({ min: 0, max: 4e12 }).map(instant);

test('a slot ends exactly when the next one begins', () => {
  fc.assert(
    fc.property(seconds, now, (length, at) => {
      const slots = createSlots(length);
      const left = slots.leftMs(at);
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(length * 1_000);
      expect(slots.at(later(at, left - 1))).toBe(slots.at(at));
      expect(slots.at(later(at, left))).toBe(slots.at(at) + 1);
    }),
  );
});

test('two requests at the same time belong to the same slot', () => {
  expect(createSlots(600).at(instant(599_999))).toBe(0);
  expect(createSlots(600).at(instant(600_000))).toBe(1);
});
