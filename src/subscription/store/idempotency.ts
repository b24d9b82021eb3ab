import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import { type Instant, isoTime, later } from '../../kernel/instant.ts';
import { readSettings } from './settings.ts';

/** Keys per run: at most a second of work, and several times what arrives between two runs. */
const deletedMax = 10_000;

/**
 * Deletes idempotency keys that are older than `retention.keys`, the oldest first. Afterwards they
 * count as new keys. It reads `idempotency_age`, so the cost is that of the deleted rows.
 * @returns the number of deleted keys
 */
export async function deleteOldKeys(
  db: Db | Tx,
  now: Instant,
  max: number = deletedMax,
): Promise<number> {
  const { retention } = await readSettings(db);
  const { numAffectedRows } = await sql`
    DELETE FROM perennial.idempotency WHERE (scope, key, owner) IN (
      SELECT scope, key, owner FROM perennial.idempotency
      WHERE at < ${isoTime(later(now, -retention.keysMs))}
      ORDER BY at LIMIT ${max})`.execute(db);
  return Number(numAffectedRows ?? 0n);
}
