import { type RawBuilder, sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';

// Nodes that do not answer, and how many users wait there. A node is down from the first probe that
// failed (`node.down_since`) until a probe succeeds. The database knows it, so all replicas and
// commands see the same start, also after a restart.

/** A node that is down. */
export interface Outage {
  readonly node: string;
  readonly downSince: Instant;
  readonly error: string | null;
  /** Users that may connect and wait to be added. */
  readonly toAdd: number;
  /** Users that may not connect and wait to be removed. */
  readonly toRemove: number;
}

/**
 * Of a mark `m` of a node `n`, with its credential `c`, subscription `s` and plan `p`: the user may
 * not connect there. The reason is an end, a revoke, a replaced credential, or a change of plan or
 * group.
 */
export const isRemoval: RawBuilder<boolean> = sql`
  (c.retired_at IS NOT NULL OR s.state <> 'active' OR NOT p.groups && n.groups)`;

/** Since when the node has to remove the user of such a mark. */
export const removalSince: RawBuilder<Instant> = sql`coalesce(c.retired_at, m.marked_at)`;

/** The marks of a node `n` with what `isRemoval` needs. */
export const marksOfNode: RawBuilder<unknown> = sql`
  perennial.access_sync m
  JOIN perennial.credential c ON c.id = m.credential_id
  JOIN perennial.subscription s ON s.id = c.subscription_id
  JOIN perennial.plan p ON p.key = s.plan`;

/** Nodes that are down now; `before`: only outages that began until then. Ordered by node. */
export async function readOutages(db: Db | Tx, before?: Instant): Promise<Outage[]> {
  const began = before === undefined ? sql`true` : sql`n.down_since <= ${isoTime(before)}`;
  const { rows } = await sql<Outage & { toAdd: bigint; toRemove: bigint }>`
    SELECT n.id AS node, n.down_since AS "downSince", n.last_error AS error, w."toAdd", w."toRemove"
    FROM perennial.node n CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE NOT ${isRemoval}) AS "toAdd",
        count(*) FILTER (WHERE ${isRemoval}) AS "toRemove"
      FROM ${marksOfNode} WHERE m.node_id = n.id) w
    WHERE n.down_since IS NOT NULL AND ${began} ORDER BY n.id`.execute(db);
  return rows.map((row) => ({
    ...row,
    toAdd: Number(row.toAdd),
    toRemove: Number(row.toRemove),
  }));
}
