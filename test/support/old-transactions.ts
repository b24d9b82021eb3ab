import { until } from '../../testbed/until.ts';
import type { TestDatabase } from './database.ts';

/**
 * Waits until no transaction of the server is older than all rows so far. Transactions of other
 * tests count too. After an audit of everything, rows that are newer than the oldest open
 * transaction count as changed.
 */
export async function waitForOldTransactions({
  query,
}: Pick<TestDatabase, 'query'>): Promise<void> {
  const rows = await query<{ last: string }>`
    SELECT pg_current_xact_id()::text AS last`;
  await until('older transactions have ended', async () => {
    const snapshots = await query<{ horizon: string }>`
      SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon`;
    return BigInt(snapshots[0]?.horizon ?? 0) > BigInt(rows[0]?.last ?? 0);
  });
}
