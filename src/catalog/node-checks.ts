import { type Config, toNodeConfigs } from '../config/config.ts';
import type { Db } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import type { CatalogStep } from './diff.ts';
import { drainingGroup } from './nodes.ts';

// What a file says of a node, and can't mean without more. Another address may be the same server
// at another place, or another server; then the one before lets in whoever is on it, for as long as
// it runs, and nobody takes them off or counts them. And a node that is being emptied is in the file
// most often because it was forgotten there.

/** Nodes of which more was said. */
export interface NodeFlags {
  /** The server at the address before is this one, or doesn't run any more. */
  readonly moved: readonly string[];
  /** It was being emptied, and is not to be. */
  readonly kept: readonly string[];
}

/** @throws UsageFault `node_moved`, `node_leaving`: what was found, and what may be said of it */
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
        `${location} is being emptied by "perennial node remove"; take it out of the file, or say --keep ${node.id} to have everybody back on it`,
      );
    }
    if (before.api !== node.api && !moved.includes(node.id)) {
      throw new UsageFault(
        'node_moved',
        `${location} has the api ${before.api} in the books and ${node.api} here; if that is the same server at another address, or the one before is switched off for good, say --moved ${node.id}; another server beside it is a node with an id of its own, and "perennial node remove ${node.id}" empties the one before`,
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
