import { expect, test } from 'vitest';
import { isRowLocked } from '../db/faults.ts';
import { Fault } from '../kernel/faults.ts';
import { Bisection } from './bisection.ts';

const fault = new Fault('permanent', 'pg_P0001', 'test');

const cause = { where: 'while updating tuple (0,7) in relation "credential"' };
const locked = new Fault('transient', 'pg_55P03', 'lock timeout', cause);

/** Fails every attempt on a batch of so many, as a run would. @returns attempts */
function failAll(halving: Bisection, items: number): number {
  switch (halving.recordFailure(items, fault)) {
    case 'leave':
    case 'isolate':
    case 'skip':
      return 1;
    case 'halve':
      return (
        1 + failAll(halving, Math.ceil(items / 2)) + failAll(halving, items - Math.ceil(items / 2))
      );
  }
}

test('if all items fail, a run isolates 50 and leaves further batches whole', () => {
  const halving = new Bisection();
  expect(failAll(halving, 1_000)).toBeLessThan(200);
  expect(halving.unhandledFault).toBe(fault);
  expect(failAll(halving, 1_000)).toBe(1);
});

test('after 50 isolated items halving goes on until 64 attempts in a row failed', () => {
  const halving = new Bisection();
  for (let n = 0; n < 50; n += 1) expect(halving.recordFailure(1, fault)).toBe('isolate');
  expect(halving.unhandledFault).toBeUndefined();
  for (let n = 0; n < 64; n += 1) expect(halving.recordFailure(2, fault)).toBe('halve');
  halving.recordSuccess();
  for (let n = 0; n < 64; n += 1) expect(halving.recordFailure(2, fault)).toBe('halve');
  expect(halving.recordFailure(2, fault)).toBe('leave');
  expect(halving.recordFailure(1, fault)).toBe('leave');
});

test('an item with a locked row is skipped, and 64 attempts in a row that failed leave the rest', () => {
  const halving = new Bisection();
  expect(halving.recordFailure(2, locked)).toBe('halve');
  for (let n = 1; n < 64; n += 1) expect(halving.recordFailure(1, locked)).toBe('skip');
  expect(halving.unhandledFault).toBeUndefined();
  expect(halving.recordFailure(2, locked)).toBe('leave');
  expect(halving.unhandledFault).toBe(locked);
  halving.recordSuccess();
  expect(halving.recordFailure(1, locked)).toBe('skip');
});

test('a wait for a locked table is no wait for a row', () => {
  expect(isRowLocked(locked)).toBe(true);
  expect(isRowLocked(new Fault('transient', 'pg_55P03', 'lock timeout', new Error('')))).toBe(
    false,
  );
});
