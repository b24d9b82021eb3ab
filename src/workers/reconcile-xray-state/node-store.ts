import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import type { NodeTls } from '../../xray/grpc/connect.ts';
import type { ComparisonState } from './rule.ts';

// The nodes, and the results of their last comparisons.

export interface ListedNode extends ComparisonState {
  readonly id: string;
  readonly api: string;
  readonly tls: NodeTls;
  readonly inbounds: readonly string[];
  /** Inbounds that must have none of our users. */
  readonly formerInbounds: readonly string[];
  readonly installation: string;
  /** The boot that the keeper of the node saw last. */
  readonly bootAt: Instant | null;
  /** The keeper is marking all credentials after a restart of the node. */
  readonly seeding: boolean;
}

export async function readNodes(db: Db): Promise<ListedNode[]> {
  const { rows } = await sql<ListedNode>`
    SELECT n.id, n.api, n.tls, n.inbounds, n.former_inbounds AS "formerInbounds", i.name AS installation, n.boot_at AS "bootAt",
      n.boot_at IS NOT NULL AND n.seeded_boot_at IS DISTINCT FROM n.boot_at AS seeding,
      n.reconciled_at AS "reconciledAt", n.reconcile_failures AS failures,
      n.reconcile_open_until AS "openUntil"
    FROM perennial.node n CROSS JOIN perennial.installation i
    ORDER BY n.reconciled_at NULLS FIRST, n.id`.execute(db);
  return rows;
}

/** @returns undefined: the node was removed */
export async function readComparisonState(
  db: Db | Tx,
  node: string,
): Promise<ComparisonState | undefined> {
  const { rows } = await sql<ComparisonState>`
    SELECT reconciled_at AS "reconciledAt", reconcile_failures AS failures,
      reconcile_open_until AS "openUntil"
    FROM perennial.node WHERE id = ${node}`.execute(db);
  return rows[0];
}

/** @returns false: the node was removed */
export async function writeComparisonState(
  tx: Tx,
  node: string,
  { reconciledAt, failures, openUntil }: ComparisonState,
  error: string | null,
): Promise<boolean> {
  const at = (time: Instant | null) => (time === null ? null : isoTime(time));
  const { numAffectedRows } = await sql`
    UPDATE perennial.node SET reconciled_at = ${at(reconciledAt)}, reconcile_failures = ${failures},
      reconcile_open_until = ${at(openUntil)}, reconcile_error = ${error}
    WHERE id = ${node}`.execute(tx);
  return numAffectedRows === 1n;
}
