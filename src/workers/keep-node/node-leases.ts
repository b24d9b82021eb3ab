import type pg from 'pg';
import type { Lease } from '../../leases/lease.ts';
import { registeredReplicasSql } from '../../leases/lock.ts';

// The SQL of the node leases of one replica: the counts for its share, and the epochs of keepers.

export interface NodeCounts {
  readonly nodes: readonly string[];
  /** Replicas with keepers, this one included. */
  readonly processes: number;
}

export async function readNodeCounts(client: pg.Client): Promise<NodeCounts> {
  const { rows } = await client.query<NodeCounts>(
    `SELECT array(SELECT id FROM perennial.node ORDER BY id) AS nodes,
       ${registeredReplicasSql} AS processes`,
  );
  return rows[0] as NodeCounts;
}

/**
 * Raises the keeper epochs of locked nodes.
 * @returns the leases by node; a removed node has none
 */
export async function writeKeeperEpochs(
  client: pg.Client,
  nodes: readonly string[],
): Promise<ReadonlyMap<string, Lease>> {
  const { rows } = await client.query<Lease>(
    `UPDATE perennial.node SET keeper_epoch = keeper_epoch + 1 WHERE id = ANY($1)
     RETURNING id, keeper_epoch AS epoch`,
    [nodes],
  );
  return new Map(rows.map((lease) => [lease.id, lease]));
}
