import { type RawBuilder, sql } from 'kysely';
import type { Db, Tx } from '../db/connect.ts';
import { type Instant, isoTime, minuteMs } from '../kernel/instant.ts';
import { isEntitled } from './entitlement.ts';
import { isRemoval, marksOfNode, removesAccess } from './marks.ts';

// Outages: nodes that do not answer or do not add users, and the number of users that wait.
//
// A node is down from the first failed probe (`node.down_since`) until a probe succeeds. The start
// is in the database, so all replicas and commands read the same start, also after a restart.

/**
 * The limit of a normal restart: longer outages are alarmed. After a longer outage the wait of its
 * users begins anew.
 */
export const longOutageMs = 2 * minuteMs;

/** A node that is down, or that answers and does not add users. */
export interface NodeOutage {
  readonly node: string;
  readonly downSince: Instant;
  readonly error: string | null;
  /** Users that may connect and wait to be added. */
  readonly toAdd: number;
  /** Users that wait to be removed, also from one inbound. */
  readonly toRemove: number;
}

/** The count of unmarked users stops here: an alarm needs only the order of magnitude. */
const unmarkedMax = 100_000;

/** Users of a node `n` that its seeding has not marked yet. A new node is seeded too. */
const unmarkedUsers: RawBuilder<unknown> = sql`
  (SELECT FROM perennial.credential c
   JOIN perennial.subscription s ON s.id = c.subscription_id
   JOIN perennial.plan p ON p.key = s.plan
   WHERE (n.boot_at IS NULL OR n.seeded_boot_at IS DISTINCT FROM n.boot_at)
     AND ${isEntitled()}
     AND c.id > coalesce(n.seed_after, '00000000-0000-0000-0000-000000000000')
     AND NOT EXISTS (SELECT FROM perennial.access_sync m
       WHERE m.node_id = n.id AND m.credential_id = c.id)
   LIMIT ${unmarkedMax})`;

/** The number of users that wait for a node `n`, and the last error of one. */
const waitingUsers: RawBuilder<unknown> = sql`
  (SELECT count(*) FILTER (WHERE NOT ${removesAccess})
      + (SELECT count(*) FROM ${unmarkedUsers} u) AS "toAdd",
    count(*) FILTER (WHERE ${removesAccess}) AS "toRemove",
    min(m.marked_at) FILTER (WHERE NOT ${isRemoval}) AS since,
    max(m.last_error) FILTER (WHERE NOT ${isRemoval}) AS error
  FROM ${marksOfNode} WHERE m.node_id = n.id)`;

type OutageRow = NodeOutage & { toAdd: bigint; toRemove: bigint };

const toNodeOutage = (row: OutageRow): NodeOutage => ({
  ...row,
  toAdd: Number(row.toAdd),
  toRemove: Number(row.toRemove),
});

/** Nodes that are down now, ordered by node. */
export async function readOutages(db: Db | Tx): Promise<NodeOutage[]> {
  const { rows } = await sql<OutageRow>`
    SELECT n.id AS node, n.down_since AS "downSince", n.last_error AS error, w."toAdd", w."toRemove"
    FROM perennial.node n CROSS JOIN LATERAL ${waitingUsers} w
    WHERE n.down_since IS NOT NULL ORDER BY n.id`.execute(db);
  return rows.map(toNodeOutage);
}

/**
 * Nodes that are down since `before`, ordered by node. If another session has locked the row of a
 * node, no probe and no start of an outage can be written. Then the last probe counts.
 */
export async function readLongOutages(db: Db | Tx, before: Instant): Promise<NodeOutage[]> {
  const since = sql`coalesce(n.down_since, n.last_seen_at)`;
  const { rows } = await sql<OutageRow>`
    SELECT n.id AS node, ${since} AS "downSince", w."toAdd", w."toRemove",
      CASE WHEN n.down_since IS NULL THEN 'another session has locked the row of this node'
        ELSE n.last_error END AS error
    FROM perennial.node n CROSS JOIN LATERAL ${waitingUsers} w
    WHERE ${since} <= ${isoTime(before)} ORDER BY n.id`.execute(db);
  return rows.map(toNodeOutage);
}

/**
 * Nodes without a long outage where additions wait since `before`, ordered by node. An inbound may
 * be missing, calls may fail although probes succeed, or another session may hold the marks. One of
 * two conditions holds:
 *
 * - No addition and no seeding made progress since `before`.
 * - The node refused a user, and this user waits for the next attempt.
 *
 * A backlog that gets shorter is no stall. Quarantine has its own alarm.
 */
export async function readStalls(
  db: Db | Tx,
  now: Instant,
  before: Instant,
): Promise<NodeOutage[]> {
  const isOverdueAdd = sql`(NOT ${isRemoval} AND m.marked_at <= ${isoTime(before)}
    AND NOT EXISTS (SELECT FROM perennial.quarantine q
      WHERE q.worker = 'keep-node' AND q.item = n.id || '/' || s.id))`;
  const isRefused = sql<boolean>`(m.urgent IN (true, false) AND m.next_attempt_at > ${isoTime(now)}
    AND m.attempts > 0)`;
  const hasMark = (marks: RawBuilder<boolean>) =>
    sql`EXISTS (SELECT FROM ${marksOfNode} WHERE m.node_id = n.id AND ${isOverdueAdd} AND ${marks})`;
  const { rows } = await sql<OutageRow>`
    WITH n AS MATERIALIZED (
      SELECT n.* FROM perennial.node n
      WHERE coalesce(n.down_since, n.last_seen_at) > ${isoTime(before)}
        AND (${hasMark(isRefused)} OR n.added_at <= ${isoTime(before)}
          AND (${hasMark(sql`true`)} OR EXISTS (SELECT FROM ${unmarkedUsers} u))))
    SELECT n.id AS node, coalesce(w.since, n.added_at) AS "downSince",
      coalesce(n.last_error, w.error) AS error, w."toAdd", w."toRemove"
    FROM n CROSS JOIN LATERAL ${waitingUsers} w ORDER BY n.id`.execute(db);
  return rows.map(toNodeOutage);
}
