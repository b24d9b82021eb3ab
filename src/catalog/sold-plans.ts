import { sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';

/** The keys of the plans that are on sale. */
export async function readPlansOnSale(db: Db | Tx): Promise<string[]> {
  const { rows } = await sql<{ key: string }>`
    SELECT key FROM perennial.plan WHERE retired_at IS NULL ORDER BY key`.execute(db);
  return rows.map((row) => row.key);
}
