import { sql } from 'kysely';
import type { NodeVote } from '../../db/clock-votes.ts';
import type { Db } from '../../db/connect.ts';
import { type Instant, secondMs } from '../../kernel/instant.ts';
import { connectNode } from '../../xray/grpc/client.ts';
import type { NodeAddress } from '../../xray/grpc/connect.ts';
import type { NodeApi } from '../../xray/port.ts';

// The uptimes of nodes as witnesses of the time that passed while no replica ran.
//
// A node that was not restarted shows the true duration, independently of the clocks of the
// machines.

/** A node that takes longer is no witness. */
const deadlineMs = 3 * secondMs;
/** The number of nodes that are queried. More nodes prove nothing else. */
const nodesMax = 20;

interface WitnessNode extends Required<NodeAddress> {
  readonly id: string;
  readonly inbounds: readonly string[];
  readonly uptimeMs: bigint;
  readonly at: Instant;
}

/**
 * Queries the nodes that were seen at a trusted time, all at once. Nodes without an answer are
 * omitted.
 */
export async function readNodeUptimes(
  db: Db,
  connect: (address: NodeAddress) => NodeApi = connectNode,
): Promise<NodeVote[]> {
  const { rows } = await sql<WitnessNode>`
    SELECT n.id, n.api, n.tls, n.inbounds, w.uptime_ms AS "uptimeMs", w.at
    FROM perennial.node n JOIN perennial.clock_witness w ON w.id = 'node:' || n.id
    ORDER BY w.at DESC, n.id LIMIT ${nodesMax}`.execute(db);
  const results = await Promise.allSettled(rows.map((node) => readNodeVote(node, connect)));
  return results.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}

async function readNodeVote(
  { id, api, tls, inbounds, uptimeMs, at }: WitnessNode,
  connect: (address: NodeAddress) => NodeApi,
): Promise<NodeVote> {
  const client = connect({ api, tls });
  try {
    const { uptimeS } = await client.readHealth({ deadlineMs });
    const counts = await Promise.allSettled(
      inbounds.map((tag) => client.countUsers(tag, { deadlineMs })),
    );
    return {
      before: { name: `node ${id}`, uptimeMs: Number(uptimeMs), at, isFloor: false },
      uptimeMs: uptimeS * secondMs,
      hasUsers: counts.some((count) => count.status === 'fulfilled' && count.value > 0),
    };
  } finally {
    client.close();
  }
}
