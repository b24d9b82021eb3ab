import { sql } from 'kysely';
import { marksOfNode, removalSince, removesAccess } from '../access/marks.ts';
import type { Db, Tx } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import type { NodeTls } from '../xray/grpc/connect.ts';

/** The state of a node, as commands and the API show it. */
export interface NodeStatus {
  readonly id: string;
  readonly api: string;
  readonly tls: NodeTls;
  readonly groups: readonly string[];
  readonly inbounds: readonly string[];
  /** The stored link settings of the node. */
  readonly link: unknown;
  /** The node is draining: its keeper removes our users (`remove-node.ts`). */
  readonly leaving: boolean;
  readonly lastSeenAt: Instant | null;
  readonly failures: number;
  readonly openUntil: Instant | null;
  readonly lastError: string | null;
  /** Values of the link that no inbound fits: customers cannot connect by it. */
  readonly linkError: string | null;
  readonly reconciledAt: Instant | null;
  readonly reconcileError: string | null;
  /** Credentials for which the node may differ from the database. */
  readonly waiting: bigint;
  /** A change is being marked; more marks follow. */
  readonly marking: boolean;
  /** Names that a person confirmed or had taken over, and that are still on the node. */
  readonly confirmed: bigint;
  /** The time since which the oldest removal is unconfirmed. */
  readonly oldestRemoval: Instant | null;
  /** The removals among `waiting`. */
  readonly removals: bigint;
  /** The start of the outage; null if the node is reachable. */
  readonly downSince: Instant | null;
  /** The keeper marks all entitled credentials of a new boot. */
  readonly seeding: boolean;
  /** Credentials that the last seed has marked. */
  readonly seedMarked: bigint;
}

/** A group that no plan opens. A node with only this group has no entitled user. */
export const drainingGroup = 'perennial/leaving';

export async function listNodes(db: Db | Tx): Promise<NodeStatus[]> {
  const { rows } = await sql<NodeStatus>`
    SELECT n.id, n.api, n.tls, n.groups, n.inbounds, n.link, ${drainingGroup} = ANY (n.groups) AS leaving,
      n.last_seen_at AS "lastSeenAt", n.failures, n.open_until AS "openUntil",
      n.last_error AS "lastError", n.link_error AS "linkError", n.reconciled_at AS "reconciledAt",
      n.reconcile_error AS "reconcileError", m.waiting,
      EXISTS (SELECT FROM perennial.marking o WHERE o.node_id = n.id) AS marking,
      (SELECT count(*) FROM perennial.stray x WHERE x.node_id = n.id) AS confirmed,
      m.oldest AS "oldestRemoval", m.removals, n.down_since AS "downSince",
      n.boot_at IS NOT NULL AND n.seeded_boot_at IS NULL AS seeding, n.seed_marked AS "seedMarked"
    FROM perennial.node n CROSS JOIN LATERAL (
      SELECT count(*) AS waiting, count(*) FILTER (WHERE ${removesAccess}) AS removals,
        min(${removalSince}) FILTER (WHERE ${removesAccess}) AS oldest
      FROM ${marksOfNode} WHERE m.node_id = n.id) m
    ORDER BY n.id`.execute(db);
  return rows;
}

/** The number of nodes in each state. A node that was never reached is down. */
export async function countNodeStates(
  db: Db | Tx,
): Promise<{ readonly up: number; readonly down: number; readonly draining: number }> {
  const { rows } = await sql<Record<'up' | 'down' | 'draining', bigint>>`
    SELECT count(*) FILTER (WHERE is_draining) AS draining,
      count(*) FILTER (WHERE NOT is_draining AND is_up) AS up,
      count(*) FILTER (WHERE NOT is_draining AND NOT is_up) AS down
    FROM (SELECT ${drainingGroup} = ANY (groups) AS is_draining,
      down_since IS NULL AND last_seen_at IS NOT NULL AS is_up FROM perennial.node) node`.execute(
    db,
  );
  const { up = 0n, down = 0n, draining = 0n } = rows[0] ?? {};
  return { up: Number(up), down: Number(down), draining: Number(draining) };
}

/** Nodes whose links do not fit an inbound, except draining ones. */
export async function readLinkErrors(
  db: Db | Tx,
): Promise<{ readonly node: string; readonly error: string }[]> {
  const { rows } = await sql<{ node: string; error: string }>`
    SELECT id AS node, link_error AS error FROM perennial.node
    WHERE link_error IS NOT NULL AND NOT ${drainingGroup} = ANY (groups) ORDER BY id`.execute(db);
  return rows;
}

/** The JSON of a node, with the column names of the database. */
export function toNodeJson(node: NodeStatus) {
  const toTimeOrNull = (at: Instant | null): string | null => (at === null ? null : isoTime(at));
  return {
    id: node.id,
    api: node.api,
    groups: node.leaving ? [] : [...node.groups],
    inbounds: [...node.inbounds],
    leaving: node.leaving,
    last_seen_at: toTimeOrNull(node.lastSeenAt),
    down_since: toTimeOrNull(node.downSince),
    failures: node.failures,
    open_until: toTimeOrNull(node.openUntil),
    marks_waiting: Number(node.waiting),
    additions_waiting: Number(node.waiting - node.removals),
    removals_waiting: Number(node.removals),
    confirmed_waiting: Number(node.confirmed),
    seeding: node.seeding,
    seed_marked: Number(node.seedMarked),
    oldest_unconfirmed_removal: toTimeOrNull(node.oldestRemoval),
    last_error: node.lastError,
    link_error: node.linkError,
    reconciled_at: toTimeOrNull(node.reconciledAt),
    reconcile_error: node.reconcileError,
  };
}

/** All nodes, or the named one. @throws UsageFault `no_node` */
export async function listNamedNodes(db: Db | Tx, id: string | undefined): Promise<NodeStatus[]> {
  const nodes = await listNodes(db);
  if (id === undefined) return nodes;
  const named = nodes.filter((node) => node.id === id);
  if (named.length > 0) return named;
  const known = nodes.map((node) => node.id).join(', ');
  throw new UsageFault(
    'no_node',
    `ID: "${id}" is not a node; available: ${known === '' ? 'none' : known}`,
  );
}
