import { expect, test } from 'vitest';
import { isRowLocked } from '../db/faults.ts';
import { Fault } from '../kernel/faults.ts';
import { Bisection } from './bisection.ts';

const fault = new Fault('permanent', 'pg_P0001', 'test');

const cause = { where: 'while updating tuple (0,7) in relation "credential"' };
const locked = new Fault('transient', 'pg_55P03', 'lock timeout', cause);

/** Fails every attempt on a batch of this size, as a run would. @returns the number of attempts */
function failAll(bisection: Bisection, items: number): number {
  switch (bisection.recordFailure(items, fault)) {
    case 'leave':
    case 'isolate':
    case 'skip':
      return 1;
    case 'halve':
      return (
        1 +
        failAll(bisection, Math.ceil(items / 2)) +
        failAll(bisection, items - Math.ceil(items / 2))
      );
  }
}

test('if all items fail, a run isolates 50 and leaves further batches whole', () => {
  const bisection = new Bisection();
  expect(failAll(bisection, 1_000)).toBeLessThan(200);
  expect(bisection.unhandledFault).toBe(fault);
  expect(failAll(bisection, 1_000)).toBe(1);
});

test('after 50 isolated items, batches are halved until 64 attempts in a row failed', () => {
  const bisection = new Bisection();
  for (let n = 0; n < 50; n += 1) expect(bisection.recordFailure(1, fault)).toBe('isolate');
  expect(bisection.unhandledFault).toBeUndefined();
  for (let n = 0; n < 64; n += 1) expect(bisection.recordFailure(2, fault)).toBe('halve');
  bisection.recordSuccess();
  for (let n = 0; n < 64; n += 1) expect(bisection.recordFailure(2, fault)).toBe('halve');
  expect(bisection.recordFailure(2, fault)).toBe('leave');
  expect(bisection.recordFailure(1, fault)).toBe('leave');
});

test('an item with a locked row is skipped; after 64 failed attempts in a row batches stay whole', () => {
  const bisection = new Bisection();
  expect(bisection.recordFailure(2, locked)).toBe('halve');
  for (let n = 1; n < 64; n += 1) expect(bisection.recordFailure(1, locked)).toBe('skip');
  expect(bisection.unhandledFault).toBeUndefined();
  expect(bisection.recordFailure(2, locked)).toBe('leave');
  expect(bisection.unhandledFault).toBe(locked);
  bisection.recordSuccess();
  expect(bisection.recordFailure(1, locked)).toBe('skip');
});

test('a wait for a locked table is not a wait for a row', () => {
  expect(isRowLocked(locked)).toBe(true);
  expect(isRowLocked(new Fault('transient', 'pg_55P03', 'lock timeout', new Error('')))).toBe(
    false,
  );
});
