import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import { anyOf } from '../db/unnest.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { isEntitled } from './entitlement.ts';

/** A node that a subscription opens, or where a change for the subscription is pending. */
export interface CustomerNode {
  readonly subscription_id: number;
  readonly node: string;
  /** Since when the node does not answer; null while it answers. */
  readonly down_since: string | null;
  /** The pending change of the keeper; null: none. */
  readonly waits_for: 'add' | 'removal' | null;
}

interface CustomerNodeRow {
  readonly subscriptionId: bigint;
  readonly node: string;
  readonly downSince: Instant | null;
  readonly waits: boolean;
  readonly removal: boolean;
}

/** The nodes of these subscriptions, by subscription and node. */
export async function readSubscriptionNodes(
  db: Db,
  subscriptions: readonly number[],
): Promise<CustomerNode[]> {
  const { rows } = await sql<CustomerNodeRow>`
    SELECT s.id AS "subscriptionId", n.id AS node, n.down_since AS "downSince",
      bool_or(m.node_id IS NOT NULL) AS waits, bool_and(NOT ${isEntitled()}) AS removal
    FROM perennial.subscription s
    JOIN perennial.credential c ON c.subscription_id = s.id
    JOIN perennial.plan p ON p.key = s.plan
    CROSS JOIN perennial.node n
    LEFT JOIN perennial.access_sync m ON m.node_id = n.id AND m.credential_id = c.id
    WHERE s.id = ${anyOf('bigint', subscriptions)} AND (m.node_id IS NOT NULL OR ${isEntitled()})
    GROUP BY s.id, n.id ORDER BY s.id, n.id`.execute(db);
  return rows.map(({ subscriptionId, node, downSince, waits, removal }) => ({
    subscription_id: Number(subscriptionId),
    node,
    down_since: downSince === null ? null : isoTime(downSince),
    waits_for: waits ? (removal ? 'removal' : 'add') : null,
  }));
}
