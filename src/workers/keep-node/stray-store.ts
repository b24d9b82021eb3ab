import { sql } from 'kysely';
import { buildMarkInsert } from '../../access/marks.ts';
import type { Db, Tx } from '../../db/connect.ts';
import { unnest } from '../../db/unnest.ts';
import type { CredentialId } from '../../kernel/ids.ts';
import type { Instant } from '../../kernel/instant.ts';
import type { Lease } from '../../leases/lease.ts';

// The SQL of a keeper for stray users: names that a person confirmed for removal (migration 004).
//
// A stray user has no credential row. So the removal checks two things again. The database still
// has no credential of this name, and the node still has the user that the person confirmed.

export interface Stray {
  readonly name: string;
  readonly version: bigint;
  readonly attempts: number;
  /** The credential in the name, if the name has our prefix. */
  readonly ours: CredentialId | null;
  /** The credential whose UUID a foreign name has; null: no such credential. */
  readonly shared: CredentialId | null;
}

/** Reads stray users that are due. */
export async function readStrays(
  db: Db,
  { id: node, epoch }: Lease,
  max: number,
): Promise<Stray[]> {
  const { rows } = await sql<Stray>`
    SELECT x.name, x.version, x.attempts, x.ours, x.shared
    FROM perennial.node n JOIN perennial.stray x ON x.node_id = n.id
    WHERE n.id = ${node} AND n.keeper_epoch = ${epoch} AND x.next_attempt_at <= perennial.clock()
    ORDER BY x.next_attempt_at, x.name LIMIT ${max}`.execute(db);
  return rows;
}

/**
 * Checks right before the call that the name may be removed. The confirmation is unchanged, for
 * this boot, and the lease is valid. No credential would lose access, except the one that gets its
 * own name back.
 * @param carriedId the UUID that the node has under the name now
 */
export async function canRemoveStray(
  db: Db,
  { id: node, epoch }: Lease,
  { name, version, ours, shared }: Stray,
  carriedId: CredentialId | null,
): Promise<boolean> {
  if (shared !== null && carriedId !== shared) return false;
  const { rows } = await sql`
    SELECT FROM perennial.stray x JOIN perennial.node n ON n.id = x.node_id
    WHERE n.id = ${node} AND n.keeper_epoch = ${epoch}
      AND x.name = ${name} AND x.version = ${version}
      AND (x.boot_at IS NULL OR x.boot_at = n.boot_at)
      AND (x.shared IS NOT NULL OR NOT EXISTS (SELECT FROM perennial.credential c
        WHERE c.id IN (${ours}::uuid, ${carriedId}::uuid)))`.execute(db);
  return rows.length === 1;
}

/** The result of a removal. */
export interface StrayResult {
  readonly stray: Stray;
  /** undefined: removed from every inbound, or not to be removed any more. */
  readonly failed?: { readonly error: string; readonly retryAt: Instant };
}

/**
 * Deletes removed stray users and postpones failed ones, each only if its version is unchanged and
 * the lease is valid. Two credentials may be affected: the one in a name of ours, if it became live
 * meanwhile, and the one that shared its UUID. Both get marks in the same commit. So a crash before
 * the commit keeps the stray user, and its removal is repeated. Rows are locked in the order of
 * names and credentials (rule 1).
 */
export async function writeStrayResults(
  tx: Tx,
  { id: node, epoch }: Lease,
  settled: readonly StrayResult[],
  now: Instant,
): Promise<void> {
  if (settled.length === 0) return;
  const insertMarks = buildMarkInsert({
    from: sql`hurt JOIN perennial.credential c ON c.id = hurt.id
      JOIN perennial.node n ON n.id = ${node}`,
    node: sql`n.id`,
    credential: sql`c.id`,
    replace: sql`hurt.replace`,
    dueAt: now,
    onConflict: 'repeat',
  });
  await sql`
    WITH settled AS (
      SELECT * FROM ${unnest('settled', settled, {
        name: ['text', ({ stray }) => stray.name],
        version: ['bigint', ({ stray }) => stray.version],
        ours: ['uuid', ({ stray }) => stray.ours],
        shared: ['uuid', ({ stray }) => stray.shared],
        error: ['text', ({ failed }) => failed?.error ?? null],
        retry_at: ['timestamptz', ({ failed }) => failed?.retryAt ?? null],
      })}
    ), mine AS (
      SELECT id FROM perennial.node WHERE id = ${node} AND keeper_epoch = ${epoch}
    ), held AS (
      SELECT x.name FROM perennial.stray x JOIN settled d ON d.name = x.name
      WHERE x.node_id = ${node} ORDER BY x.name FOR UPDATE OF x
    ), struck AS (
      DELETE FROM perennial.stray x USING settled d JOIN held USING (name), mine
      WHERE d.retry_at IS NULL AND x.node_id = mine.id AND x.name = d.name
        AND x.version = d.version
    ), postponed AS (
      UPDATE perennial.stray x SET attempts = x.attempts + 1, next_attempt_at = d.retry_at,
        last_error = d.error
      FROM settled d JOIN held USING (name), mine
      WHERE d.retry_at IS NOT NULL AND x.node_id = mine.id AND x.name = d.name
        AND x.version = d.version
    ), hurt AS (
      SELECT id, bool_or(replace) AS replace FROM (
        SELECT ours AS id, false AS replace FROM settled
        UNION SELECT shared, true FROM settled) either
      WHERE id IS NOT NULL GROUP BY id
    )
    ${insertMarks}`.execute(tx);
}
