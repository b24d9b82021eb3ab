import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { runAudit } from '../../../src/audit/audit.ts';
import { additionIsConfirmed, removalIsConfirmed } from '../../../src/audit/marks.ts';
import { type AuditScene, createScenes } from '../../support/corruption.ts';

// The permitted age of a mark: both sides of each boundary.

const up = "failures = 0, last_seen_at = perennial.clock() - interval '59 seconds'";
const failing = 'failures = 1, last_seen_at = perennial.clock()';
const unkept = "failures = 0, last_seen_at = perennial.clock() - interval '1 minute'";
const unseen = 'failures = 0, last_seen_at = NULL';

const marks: [what: 'addition' | 'removal', node: string, state: string, mostMs: number][] = [
  ['removal', 'is up', up, 5 * 60_000],
  ['addition', 'is up', up, 60 * 60_000],
  ['removal', 'fails', failing, 24 * 3_600_000],
  ['addition', 'fails', failing, 24 * 3_600_000],
  ['removal', 'has no keeper', unkept, 24 * 3_600_000],
  ['removal', 'was never reached', unseen, Number.POSITIVE_INFINITY],
  ['addition', 'was never reached', unseen, Number.POSITIVE_INFINITY],
];

test('an unconfirmed addition or removal is a violation once it is older than the limit of its node', async () => {
  const { database, scenes } = await createScenes(1);
  await using _ = database;
  const { db } = database;
  const { victim, other } = scenes[0] as AuditScene;
  await sql`DELETE FROM perennial.access_sync WHERE credential_id = ${other.credential}`.execute(
    db,
  );
  const checks = [additionIsConfirmed, removalIsConfirmed];
  for (const [what, node, state, mostMs] of marks) {
    const retired = what === 'removal' ? sql`perennial.clock()` : sql`NULL`;
    await sql`
      UPDATE perennial.credential SET retired_at = ${retired}
      WHERE id = ${victim.credential}`.execute(db);
    await sql`UPDATE perennial.node SET ${sql.raw(state)}`.execute(db);
    const foundAt = async (ageMs: number) => {
      await sql`
        UPDATE perennial.access_sync SET
          marked_at = perennial.clock() - ${`${ageMs} ms`}::interval`.execute(db);
      const report = await runAudit(db, { checks });
      return report.checks.filter(({ violations }) => violations > 0n).map(({ id }) => id);
    };
    const where = `${what}, the node ${node}`;
    const isNever = mostMs === Number.POSITIVE_INFINITY;
    expect(await foundAt(isNever ? 1e12 : mostMs), where).toEqual([]);
    if (!isNever) expect(await foundAt(mostMs + 1), where).toEqual([`${what}-is-confirmed`]);
  }
});
