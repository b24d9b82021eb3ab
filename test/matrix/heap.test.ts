import { expect, test } from 'vitest';
import { crowd, sells } from '../a-book.ts';
import { freshBooks } from '../books.ts';
import { startChild } from './child.ts';

// The audited worker kept the UUIDs of all whom it had seen in a set, for good. HEAP_RUNS=10000 for
// as many runs as a week has.

const runs = Number(process.env.HEAP_RUNS || 200);
const count = 400;

test('F5: what a process keeps in memory does not grow with its runs', async () => {
  await using books = await freshBooks({ now: '2026-12-02T00:00:00Z' });
  await sells(books);
  await crowd(books, { count, endsAt: '2026-12-01T00:00:00Z', balanceMinor: 0n });
  const entry = new URL('heap-entry.ts', import.meta.url);
  await using child = startChild(entry, [books.url, String(runs)]);
  const told = await child.line('how it grew', (line) => line.startsWith('{'), 280_000);
  const { ended, grewBytes } = JSON.parse(told);
  expect(ended).toBe((runs / 10) * count);
  // One of the audited entries takes some 100 bytes; what a heap is off by itself is below this.
  expect(grewBytes).toBeLessThan(400_000 + ended * 10);
}, 300_000);
