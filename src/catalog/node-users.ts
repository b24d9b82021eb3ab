import { sql } from 'kysely';
import { opensNode } from '../access/entitlement.ts';
import type { Db } from '../db/connect.ts';
import { minuteMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';

// The number of users of each node: active subscriptions whose plan opens the node. The count reads
// all subscriptions, so its result is used for a minute.

const ageMaxMs = minuteMs;

export type NodeUserCounts = ReadonlyMap<string, number>;

interface StoredCounts {
  readonly counts: NodeUserCounts;
  readonly ageMs: () => number;
}

const storedCounts = new WeakMap<Db, StoredCounts>();

/** At most a minute old. */
export async function readNodeUsers(db: Db): Promise<NodeUserCounts> {
  const stored = storedCounts.get(db);
  if (stored !== undefined && stored.ageMs() < ageMaxMs) return stored.counts;
  const counts = await countNodeUsers(db);
  storedCounts.set(db, { counts, ageMs: stopwatch() });
  return counts;
}

async function countNodeUsers(db: Db): Promise<NodeUserCounts> {
  const { rows } = await sql<{ node: string; users: bigint }>`
    SELECT n.id AS node, coalesce(sum(u.users), 0)::bigint AS users
    FROM perennial.node n
    LEFT JOIN perennial.plan p ON ${opensNode()}
    LEFT JOIN (SELECT plan, count(*) AS users FROM perennial.subscription
      WHERE state = 'active' GROUP BY plan) u ON u.plan = p.key
    GROUP BY n.id`.execute(db);
  return new Map(rows.map(({ node, users }) => [node, Number(users)]));
}
