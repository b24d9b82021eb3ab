import { sql } from 'kysely';
import type { Db } from '../../../src/db/connect.ts';
import type { CredentialId } from '../../../src/kernel/ids.ts';
import type { Instant } from '../../../src/kernel/instant.ts';
import { type Environment, toCredentialId } from './environment.ts';

// The rows of each node, and of all credentials that may be there, at one time. The statements
// differ from those of keepers and comparisons.

/** A credential on a node, or one that may be there. */
export interface CredentialView {
  readonly id: CredentialId;
  /** `<node>/<subscription>`, or null if the database does not know the user. */
  readonly item: string | null;
  readonly wanted: boolean;
  /** True if it is marked, or will be because its plan is. */
  readonly marked: boolean;
  /** The time until which its mark waits. */
  readonly due: Instant | null;
  /** True if an add of it ended with the boot of the node. */
  readonly lost: boolean;
  /** True if a person confirmed the removal of its name. */
  readonly confirmed: boolean;
}

export interface NodeView {
  readonly bootAt: Instant | null;
  readonly isFilled: boolean;
  readonly inbounds: readonly string[];
  readonly people: readonly CredentialView[];
}

export interface DatabaseView {
  readonly nodes: ReadonlyMap<string, NodeView>;
  /** Items of keep-node in quarantine. */
  readonly quarantine: readonly string[];
}

interface ViewRow extends Omit<NodeView, 'people'>, Omit<CredentialView, 'id'> {
  readonly node: string;
  readonly id: CredentialId | null;
}

export async function readView(environment: Environment): Promise<DatabaseView> {
  const { db } = environment.database;
  const present = environment.nodes.flatMap(({ id, node, tags }) =>
    [...new Set(tags.flatMap((tag) => node.listUserNames(tag)))].map((name) => ({
      node: id,
      id: toCredentialId(name),
    })),
  );
  const [rows, quarantine] = await Promise.all([readRows(db, present), readQuarantine(db)]);
  const nodes = new Map<string, NodeView & { readonly people: CredentialView[] }>();
  for (const { node, bootAt, isFilled, inbounds, id, ...credential } of rows) {
    const view = nodes.get(node) ?? { bootAt, isFilled, inbounds, people: [] };
    if (id !== null) view.people.push({ id, ...credential });
    nodes.set(node, view);
  }
  return { nodes, quarantine };
}

async function readRows(
  db: Db,
  present: readonly { readonly node: string; readonly id: CredentialId }[],
): Promise<ViewRow[]> {
  const { rows } = await sql<ViewRow>`
    WITH present AS (
      SELECT * FROM unnest(${present.map(({ node }) => node)}::text[],
        ${present.map(({ id }) => id)}::uuid[]) AS p (node, id)
    ), wanted AS (
      SELECT n.id AS node, c.id FROM perennial.credential c
      JOIN perennial.subscription s ON s.id = c.subscription_id AND s.state = 'active'
      JOIN perennial.plan p ON p.key = s.plan
      JOIN perennial.node n ON p.groups && n.groups
      WHERE c.retired_at IS NULL
    ), people AS (
      SELECT coalesce(w.node, p.node) AS node, coalesce(w.id, p.id) AS id,
        w.id IS NOT NULL AS wanted
      FROM wanted w FULL JOIN present p ON p.node = w.node AND p.id = w.id
    )
    SELECT n.id AS node, n.boot_at AS "bootAt", n.inbounds,
      n.seeded_boot_at = n.boot_at IS TRUE AS "isFilled", people.id,
      n.id || '/' || c.subscription_id AS item, people.wanted,
      m.node_id IS NOT NULL OR EXISTS (SELECT FROM perennial.marking o
        JOIN perennial.subscription s ON s.plan = o.plan
        WHERE o.node_id = n.id AND s.id = c.subscription_id) AS marked, m.next_attempt_at AS due, m.lost > 0 IS TRUE AS lost,
      EXISTS (SELECT FROM perennial.stray x WHERE x.node_id = n.id
        AND x.name = 'perennial-' || people.id) AS confirmed
    FROM perennial.node n LEFT JOIN people ON people.node = n.id
    LEFT JOIN perennial.credential c ON c.id = people.id
    LEFT JOIN perennial.access_sync m ON m.node_id = n.id AND m.credential_id = people.id`.execute(
    db,
  );
  return rows;
}

/** The items of keep-node in quarantine. */
export async function readQuarantine(db: Db): Promise<string[]> {
  const { rows } = await sql<{ item: string }>`
    SELECT item FROM perennial.quarantine WHERE worker = 'keep-node'`.execute(db);
  return rows.map(({ item }) => item);
}
