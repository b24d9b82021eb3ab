import { expect, test } from 'vitest';
import { parseInstant } from '../../kernel/instant.ts';
import {
  chargesFloor,
  computeAllowance,
  endsFloor,
  isLateCharge,
  isWithinFloor,
} from './hourly-limit.ts';

const now = parseInstant('2026-12-01T12:00:00Z', 'the test');

test.each([
  // floor, active, done, allowed
  [endsFloor, 0, 0, 5],
  [endsFloor, 59, 0, 5],
  [endsFloor, 60, 0, 6],
  [endsFloor, 80, 8, 0],
  [endsFloor, 80, 9, 0],
  [chargesFloor, 1_009, 0, 100],
  [chargesFloor, 1_010, 0, 101],
  [chargesFloor, 3_000, 299, 1],
])('with floor %i, %i active and %i done, %i more are allowed', (floor, active, done, allowed) => {
  expect(computeAllowance(floor, active, done)).toBe(allowed);
});

test.each([
  [5, 0, true],
  [6, 0, false],
  [3, 2, true],
  [3, 3, false],
])('the floor admits %i after %i ends: %s', (wanted, done, needsNone) => {
  expect(isWithinFloor(endsFloor, wanted, done)).toBe(needsNone);
});

test.each([
  ['active', '2026-12-01T18:00:00Z', false],
  ['active', '2026-12-01T11:00:00.001Z', false],
  ['active', '2026-12-01T11:00:00Z', true],
  ['active', '2026-11-20T00:00:00Z', true],
  ['expired', '2026-11-28T00:00:00Z', false],
])('a charge is late if the subscription is %s and ends %s: %s', (state, end, isLate) => {
  const expiresAt = parseInstant(end, 'the test');
  expect(isLateCharge({ state, expiresAt }, now)).toBe(isLate);
});
