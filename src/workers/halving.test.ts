import { expect, test } from 'vitest';
import { Fault } from '../kernel/faults.ts';
import { Halving } from './halving.ts';

const fault = new Fault('permanent', 'pg_P0001', 'test');

/** Fails every attempt on a batch of so many, as a run would. @returns attempts */
function failAll(halving: Halving, items: number): number {
  switch (halving.failed(items, fault)) {
    case 'leave':
    case 'isolate':
      return 1;
    case 'halve':
      return (
        1 + failAll(halving, Math.ceil(items / 2)) + failAll(halving, items - Math.ceil(items / 2))
      );
  }
}

test('if all items fail, a run isolates 50 and leaves further batches whole', () => {
  const halving = new Halving();
  expect(failAll(halving, 1_000)).toBeLessThan(200);
  expect(halving.leftBy).toBe(fault);
  expect(failAll(halving, 1_000)).toBe(1);
});

test('after 50 isolated items halving goes on until 64 attempts in a row failed', () => {
  const halving = new Halving();
  for (let n = 0; n < 50; n += 1) expect(halving.failed(1, fault)).toBe('isolate');
  expect(halving.leftBy).toBeUndefined();
  for (let n = 0; n < 64; n += 1) expect(halving.failed(2, fault)).toBe('halve');
  halving.succeeded();
  for (let n = 0; n < 64; n += 1) expect(halving.failed(2, fault)).toBe('halve');
  expect(halving.failed(2, fault)).toBe('leave');
  expect(halving.failed(1, fault)).toBe('leave');
});
