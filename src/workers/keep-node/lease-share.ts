// The rule for the number of nodes that one replica keeps (design, keep-node).
//
// 1. The share is nodes / replicas, rounded up. So each free node has a replica that may take it.
// 2. Below its share a replica takes free nodes. It never takes a node of another replica.
// 3. Above its share a replica returns the surplus, after it had the surplus for some time. So a
//    replica that restarts again and again, or a rolling update, does not move nodes to and fro.
// 4. At its share or below, a replica returns nothing: after all replicas have started, no node
//    moves.

export interface LeaseCounts {
  readonly nodes: number;
  /** Replicas that keep nodes, this one included. */
  readonly processes: number;
  /** Nodes that this replica keeps and does not return. */
  readonly kept: number;
  /** How long this replica has had more than its share without a break. */
  readonly overMs: number;
}

/** The number of free nodes to take, and of own nodes to return. */
export interface LeaseChange {
  readonly acquireCount: number;
  readonly releaseCount: number;
}

export function computeShare({
  nodes,
  processes,
}: Pick<LeaseCounts, 'nodes' | 'processes'>): number {
  return Math.ceil(nodes / Math.max(1, processes));
}

export function computeLeaseChange(counts: LeaseCounts, steadyMs: number): LeaseChange {
  const room = computeShare(counts) - counts.kept;
  if (room >= 0) return { acquireCount: room, releaseCount: 0 };
  return { acquireCount: 0, releaseCount: counts.overMs >= steadyMs ? -room : 0 };
}
