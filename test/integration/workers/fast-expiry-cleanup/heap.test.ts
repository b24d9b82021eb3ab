import { expect, test } from 'vitest';
import { startProcess } from '../../../support/child-process.ts';
import { createShopDatabase, createSubscribers } from '../../../support/shop.ts';

// The audited worker stored the UUIDs of all users forever in a set. HEAP_RUNS=10000 is the number
// of runs in a week.

const runs = Number(process.env.HEAP_RUNS || 200);
const count = 400;

test('F5: the memory of a process does not grow with its runs', async () => {
  await using database = await createShopDatabase({ now: '2026-12-02T00:00:00Z' });
  await createSubscribers(database, { count, endsAt: '2026-12-01T00:00:00Z', balanceMinor: 0n });
  const entry = new URL('./heap-process.ts', import.meta.url);
  await using child = startProcess(entry, [database.url, String(runs)]);
  const output = await child.untilLine('how it grew', (line) => line.startsWith('{'), 280_000);
  const { ended, grewBytes } = JSON.parse(output);
  expect(ended).toBe((runs / 10) * count);
  // One of the audited entries takes about 100 bytes. The measurement error of the heap is below
  // this.
  expect(grewBytes).toBeLessThan(400_000 + ended * 10);
}, 300_000);
