import { expect, test } from 'vitest';
import { audit } from '../../src/audit/audit.ts';
import { checks } from '../../src/audit/index.ts';
import { runScan } from '../../src/audit/scan.ts';
import { scans } from '../../src/audit/scans.ts';
import { readClock } from '../../src/db/clock.ts';
import { inTransaction } from '../../src/db/connect.ts';
import { planted } from './planted.ts';
import { openStage, plantIn, type Scene } from './planting.ts';

// A scan rules checks out in one pass. It must suspect what the query of a check finds.

/** Undoes what was planted. */
class Undo extends Error {}

test('the scans suspect each check that finds a planted corruption', async () => {
  const stage = await openStage(1);
  await using books = stage.books;
  const missed: string[] = [];
  for (const one of planted) {
    const done = inTransaction(books.db, async (tx) => {
      await plantIn(tx, one.statements(stage.scenes[0] as Scene));
      const now = await readClock(tx);
      const scanned = await Promise.all(scans.map((scan) => runScan(tx, scan, now)));
      const ruledOut = new Set(scanned.flatMap((each) => [...each.ruledOut]));
      const found = [one.check, ...(one.also ?? [])].filter((id) => ruledOut.has(id));
      missed.push(...found.map((id) => `${id}: ${one.what}`));
      throw new Undo();
    });
    await expect(done).rejects.toThrow(Undo);
  }
  expect(missed).toEqual([]);
}, 60_000);

test('the scans rule out every check that they know in a database without violations', async () => {
  const stage = await openStage(3);
  await using books = stage.books;
  const ids = new Set(checks.map(({ id }) => id));
  await inTransaction(books.db, async (tx) => {
    const now = await readClock(tx);
    for (const scan of scans) {
      const { suspected, ruledOut } = await runScan(tx, scan, now);
      expect([...suspected]).toEqual([]);
      for (const id of ruledOut) expect(ids).toContain(id);
    }
  });
});

test('the report is the same with and without scans', async () => {
  const stage = await openStage(1);
  await using books = stage.books;
  const withScans = await audit(books.db);
  const without = await audit(books.db, { scans: [] });
  const results = ({ checks: all }: typeof without) => all.map(({ tookMs: _, ...one }) => one);
  expect(results(withScans)).toEqual(results(without));
});
