import { type Config, toNodeConfigs } from '../config/config.ts';
import type { Db } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import type { CatalogStep } from './diff.ts';
import { drainingGroup } from './nodes.ts';

// Changes of nodes that `apply` accepts only with an option, because the file alone is ambiguous.
//
// 1. Another address needs `--moved`. It may be the same server, or another one. Then the old
//    server would keep its users as long as it runs, without a keeper that removes or counts them.
// 2. A draining node needs `--keep`. Most often it was forgotten in the file.

/** The nodes of the options. */
export interface NodeFlags {
  /** `--moved`: the server of the old address is this one, or it is off. */
  readonly moved: readonly string[];
  /** `--keep`: the node stops draining. */
  readonly kept: readonly string[];
}

/** @throws UsageFault `node_moved`, `node_leaving` */
export function requireNodeFlags(
  steps: readonly CatalogStep[],
  { moved, kept }: NodeFlags,
  source: string,
): void {
  for (const step of steps) {
    if (step.do !== 'change-node') continue;
    const { before, node } = step;
    const location = `${source}: nodes: "${node.id}"`;
    if (before.groups.includes(drainingGroup) && !kept.includes(node.id)) {
      throw new UsageFault(
        'node_leaving',
        `${location} is draining after "perennial node remove"; remove it from the file, or pass --keep ${node.id} to add its users again`,
      );
    }
    if (before.api !== node.api && !moved.includes(node.id)) {
      throw new UsageFault(
        'node_moved',
        `${location} has the api ${before.api} in the database and ${node.api} in the file; if the server has moved or the old one is off permanently, pass --moved ${node.id}; give another server its own id, and drain the old one with "perennial node remove ${node.id}"`,
      );
    }
  }
}

/** @throws UsageFault `no_node` for an id that neither the file nor the database has */
export async function requireKnownNodes(
  db: Db,
  wanted: Config,
  { moved, kept }: NodeFlags,
): Promise<void> {
  if (moved.length + kept.length === 0) return;
  const rows = await db.selectFrom('perennial.node').select('id').orderBy('id').execute();
  const inFile = (toNodeConfigs(wanted) ?? []).map(({ id }) => id);
  const known = new Set([...inFile, ...rows.map(({ id }) => id)]);
  for (const [option, ids] of Object.entries({ '--moved': moved, '--keep': kept })) {
    const unknown = ids.find((id) => !known.has(id));
    if (unknown === undefined) continue;
    const available = [...known].join(', ') || 'none';
    throw new UsageFault(
      'no_node',
      `${option}: "${unknown}" is not a node; available: ${available}`,
    );
  }
}
