import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { runAudit } from '../../../src/audit/audit.ts';
import { auditChecks } from '../../../src/audit/index.ts';
import { runScan } from '../../../src/audit/scan.ts';
import { auditScans } from '../../../src/audit/scans.ts';
import { readClock } from '../../../src/db/clock.ts';
import { inTransaction } from '../../../src/db/connect.ts';
import { type AuditScene, corruptInTransaction, createScenes } from '../../support/corruption.ts';
import { corruptions } from './corruptions.ts';

// A scan rules checks out in one pass. It must suspect each violation that the query of a check
// finds.

/** Undoes the planted corruption. */
class RollbackError extends Error {}

test('the scans suspect each check that finds a planted corruption', async () => {
  const stage = await createScenes(1);
  await using database = stage.database;
  const missed: string[] = [];
  for (const one of corruptions) {
    const done = inTransaction(database.db, async (tx) => {
      await corruptInTransaction(tx, one.statements(stage.scenes[0] as AuditScene));
      const now = await readClock(tx);
      const scanned = await Promise.all(auditScans.map((scan) => runScan(tx, scan, now)));
      const ruledOut = new Set(scanned.flatMap((each) => [...each.ruledOut]));
      const found = [one.check, ...(one.also ?? [])].filter((id) => ruledOut.has(id));
      missed.push(...found.map((id) => `${id}: ${one.what}`));
      throw new RollbackError();
    });
    await expect(done).rejects.toThrow(RollbackError);
  }
  expect(missed).toEqual([]);
}, 60_000);

test('the scans rule out every check that they know in a database without violations', async () => {
  const stage = await createScenes(3);
  await using database = stage.database;
  const ids = new Set(auditChecks.map(({ id }) => id));
  await inTransaction(database.db, async (tx) => {
    await sql`SET LOCAL search_path = perennial`.execute(tx);
    const now = await readClock(tx);
    for (const scan of auditScans) {
      const { suspected, ruledOut } = await runScan(tx, scan, now);
      expect([...suspected]).toEqual([]);
      for (const id of ruledOut) expect(ids).toContain(id);
    }
  });
});

test('the report is the same with and without scans', async () => {
  const stage = await createScenes(1);
  await using database = stage.database;
  const withScans = await runAudit(database.db);
  const without = await runAudit(database.db, { scans: [] });
  const results = ({ checks: all }: typeof without) => all.map(({ tookMs: _, ...one }) => one);
  expect(results(withScans)).toEqual(results(without));
});
