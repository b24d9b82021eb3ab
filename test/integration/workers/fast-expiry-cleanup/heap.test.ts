import { expect, test } from 'vitest';
import { startProcess } from '../../../support/child-process.ts';
import { createDatabase } from '../../../support/database.ts';
import { createShopWithTrial, createSubscribers } from '../../../support/shop.ts';

// The audited worker kept the UUIDs of all whom it had seen in a set, for good. HEAP_RUNS=10000 for
// as many runs as a week has.

const runs = Number(process.env.HEAP_RUNS || 200);
const count = 400;

test('F5: what a process keeps in memory does not grow with its runs', async () => {
  await using database = await createDatabase({ now: '2026-12-02T00:00:00Z' });
  await createShopWithTrial(database);
  await createSubscribers(database, { count, endsAt: '2026-12-01T00:00:00Z', balanceMinor: 0n });
  const entry = new URL('./heap-process.ts', import.meta.url);
  await using child = startProcess(entry, [database.url, String(runs)]);
  const output = await child.untilLine('how it grew', (line) => line.startsWith('{'), 280_000);
  const { ended, grewBytes } = JSON.parse(output);
  expect(ended).toBe((runs / 10) * count);
  // One of the audited entries takes some 100 bytes; what a heap is off by itself is below this.
  expect(grewBytes).toBeLessThan(400_000 + ended * 10);
}, 300_000);
