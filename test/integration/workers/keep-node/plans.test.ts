import { sql } from 'kysely';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { readClock } from '../../../../src/db/clock.ts';
import { inTransaction, longLimits, toClientConfig } from '../../../../src/db/connect.ts';
import { seedChunk } from '../../../../src/workers/keep-node/node-store.ts';
import { readMarkPage, writeMarkResults } from '../../../../src/workers/keep-node/store.ts';
import { buildDataset } from '../../../../testbed/dataset.ts';
import { type ExplainedStatement, explain, recordStatements } from '../../../../testbed/explain.ts';
import { stockMissing } from '../../../../testbed/stock-server.ts';
import { createDatabase } from '../../../support/database.ts';
import {
  createStockDatabases,
  hasStock,
  type StockDatabase,
} from '../../../support/stock-database.ts';

// As `auto-renewal/plans.test.ts`: the reads of a keeper's statements depend on its page, never on
// the number of marks or credentials.

const lease = { id: 'nl-1', epoch: 0n };
const pageMax = 100;

/** Databases with the same rows, on two servers. */
const servers = {
  'the embedded server': async (): Promise<Opened> => {
    const database = await createDatabase();
    onTestFinished(() => database.close());
    const client = new pg.Client(toClientConfig(database.url, longLimits));
    await client.connect();
    await build(client);
    await client.query('VACUUM ANALYZE');
    await client.end();
    return database;
  },
  'a stock server without statistics': async (): Promise<Opened> => {
    const [database] = (await createStockDatabases(1, build)) as [StockDatabase];
    onTestFinished(() => database.db.destroy());
    return database;
  },
};
type Opened = Pick<StockDatabase, 'pool' | 'db'>;

async function build(client: pg.Client): Promise<void> {
  await buildDataset(client, { subscriptions: 30_000, due: 0, ending: true });
  await client.query(`
    INSERT INTO perennial.node (id, api, inbounds, groups, link, boot_at)
    SELECT 'nl-' || i, '10.0.0.' || i || ':10085', '{vless}', '{all}', '{"port": 443}',
      '2026-11-24T08:00Z' FROM generate_series(1, 5) AS i;
    INSERT INTO perennial.access_sync (node_id, credential_id, urgent, next_attempt_at, marked_at)
    SELECT n.id, c.id, false, '2026-11-24T08:00Z', '2026-11-24T08:00Z'
    FROM perennial.node n CROSS JOIN perennial.credential c WHERE n.id <> 'nl-5'`);
}

test.for(Object.entries(servers))(
  'a keeper reads its marks and their credentials by index on %s',
  { timeout: 120_000 },
  async ([server, open], { skip }) => {
    if (server.includes('stock') && !hasStock) skip(stockMissing);
    const database = await open();
    const { db, statements } = recordStatements(database.pool);
    const page = await readMarkPage(db, lease, pageMax);
    if (page === undefined) throw new Error('the lease was lost');
    const inProgress = page.marks.map(({ credentialId }) => credentialId);
    await readMarkPage(db, lease, pageMax, { inProgress });
    const [first, second] = (await explain(database.pool, statements)) as [
      ExplainedStatement,
      ExplainedStatement,
    ];
    for (const { reads, rows } of [first, second]) {
      expect(rows).toBe(pageMax);
      expect(reads.filter((read) => read.startsWith('access_sync'))).toEqual([
        'access_sync_due',
        'access_sync_due',
        // The check for suspects, if there is no other mark.
        'access_sync_due',
      ]);
      expect(reads).toContain('credential_pkey');
      expect(reads).toContain('subscription_pkey');
      expect(reads.join()).not.toMatch(/Seq Scan (access_sync|credential|subscription|customer)/);
    }
    expect(first.buffers).toBeLessThan(12 * pageMax);
    // The credentials of the other lane are skipped once.
    expect(second.buffers).toBeLessThan(14 * pageMax);

    // With the maximum of suspects before them.
    statements.length = 0;
    await sql`
    UPDATE perennial.access_sync m SET lost = 1, next_attempt_at = '2026-11-24T07:00Z'
    FROM (SELECT credential_id FROM perennial.access_sync WHERE node_id = 'nl-2' LIMIT 1000) few
    WHERE m.node_id = 'nl-2' AND m.credential_id = few.credential_id`.execute(database.db);
    const other = { id: 'nl-2', epoch: 0n };
    await readMarkPage(db, other, pageMax);
    await readMarkPage(db, other, pageMax, { selection: 'suspects' });
    const [passing, suspects] = (await explain(database.pool, statements)) as [
      ExplainedStatement,
      ExplainedStatement,
    ];
    for (const { reads, rows } of [passing, suspects]) {
      expect(rows).toBe(pageMax);
      expect(reads.join()).not.toMatch(/Seq Scan (access_sync|credential|subscription|customer)/);
    }
    expect(passing.buffers).toBeLessThan(12 * pageMax + 14 * 1000);
    statements.length = 0;
    await readMarkPage(db, other, pageMax, { selection: 'urgent_removals' });
    const [removals] = (await explain(database.pool, statements)) as [ExplainedStatement];
    expect(removals.reads.join()).not.toMatch(/Seq Scan (access_sync|credential|subscription)/);
    // Only the marks that are not urgent, without the rows of their credentials.
    expect(removals.buffers).toBeLessThan(30_000 / 10);

    statements.length = 0;
    const settled = page.marks.map((mark) => ({ mark }));
    // In a transaction that is rolled back, so that the marks can be settled again.
    const undone = inTransaction(db, async (tx) => {
      await writeMarkResults(tx, lease, page.bootAt, settled, page.now);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    const settling = (await explain(database.pool, statements)).find((one) =>
      one.sql.includes('confirmed'),
    );
    expect(settling?.reads).toContain('access_sync_pkey');
    expect(settling?.reads.join()).not.toMatch(/Seq Scan (access_sync|credential)/);
    expect(settling?.buffers).toBeLessThan(40 * pageMax);

    statements.length = 0;
    const bootAt = page.bootAt;
    if (bootAt === null) throw new Error('no boot');
    await sql`UPDATE perennial.node SET seed_after = '80000000-0000-4000-8000-000000000000'`.execute(
      database.db,
    );
    await inTransaction(db, async (tx) =>
      seedChunk(tx, { id: 'nl-5', epoch: 0n }, bootAt, await readClock(tx)),
    );
    await sql`UPDATE perennial.node SET seed_after = '80000000-0000-4000-8000-000000000000'`.execute(
      database.db,
    );
    const seeding = (await explain(database.pool, statements)).find((one) =>
      one.sql.includes('chunk'),
    );
    expect(seeding?.reads).toContain('credential_pkey');
    expect(seeding?.reads.join()).not.toMatch(
      /Seq Scan (credential|subscription)|subscription_ending/,
    );
  },
);
