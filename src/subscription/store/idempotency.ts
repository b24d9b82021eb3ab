import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import { type Instant, isoTime, later } from '../../kernel/instant.ts';
import { readSettings } from './settings.ts';

/** A second's work at most, several times what comes in between two runs. */
const deletedMax = 10_000;

/**
 * Forgets idempotency keys that are older than `retention.keys`, after which they are new keys: the oldest first; reads `idempotency_age`, so that it
 * costs what it deletes.
 * @returns how many
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
