import { sql } from 'kysely';
import type { Tx } from '../../db/connect.ts';
import { anyOf } from '../../db/unnest.ts';
import type { CustomerId } from '../../kernel/ids.ts';

/**
 * Locks only the rows (rule 1).
 * @returns the customers whose row and active subscriptions no other transaction holds
 */
export async function lockFreeCustomers(tx: Tx, ids: readonly CustomerId[]): Promise<CustomerId[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql<{ id: CustomerId }>`
    SELECT id FROM perennial.customer WHERE id = ${anyOf('bigint', ids)}
    FOR NO KEY UPDATE SKIP LOCKED`.execute(tx);
  const customers = rows.map((row) => row.id);
  const active = sql`customer_id = ${anyOf('bigint', customers)} AND state = 'active'`;
  const { rows: busy } = await sql<{ id: CustomerId }>`
    WITH free AS MATERIALIZED (SELECT id FROM perennial.subscription WHERE ${active}
      FOR NO KEY UPDATE SKIP LOCKED)
    SELECT customer_id AS id FROM perennial.subscription
    WHERE ${active} AND id NOT IN (SELECT id FROM free)`.execute(tx);
  const waiting = new Set(busy.map((row) => row.id));
  return customers.filter((id) => !waiting.has(id));
}
