// How many nodes a process keeps where several processes keep nodes (design, keep-node).
//
// Its share is the nodes by the processes, rounded up, so that whatever is free has somebody who
// may take it. Below its share a process takes what is free; it never takes what another one has.
// Above it, it gives back, but not before it was above for a while: a process that starts and dies
// again and again, or replicas that are replaced one by one, must not send nodes to and fro. At its
// share or below, nothing is given back: once everybody is there, nothing moves.

export interface LeaseCounts {
  readonly nodes: number;
  /** Processes that keep nodes, this one among them. */
  readonly processes: number;
  /** Nodes that this one keeps and isn't giving back. */
  readonly kept: number;
  /** For how long it has had more than its share, without a break. */
  readonly overMs: number;
}

/** How many nodes to take, if they are free, and how many to give back. */
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
