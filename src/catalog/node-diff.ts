import { sql } from 'kysely';
import type { NodeConfig } from '../config/config.ts';
import type { Db, Tx } from '../db/connect.ts';
import { isJsonEqual } from '../kernel/json-equal.ts';
import { checkLink } from '../xray/link-faults.ts';
import { formatLinkFault } from '../xray/link-settings.ts';
import type { FileFault } from './file-faults.ts';

// The nodes in the difference of `apply`.

export type NodeStep =
  | {
      readonly do: 'add-node';
      readonly node: NodeConfig;
    }
  | {
      readonly do: 'change-node';
      readonly node: NodeConfig;
      /** The node in the database. */
      readonly before: NodeConfig;
    };

/** Links that clients refuse. */
const toLinkFaults = (wanted: readonly NodeConfig[]): FileFault[] =>
  wanted.flatMap(({ id, link }, index) =>
    checkLink(link).map((fault) => ({
      code: 'bad_link',
      path: ['nodes', index, 'link', ...fault.key.split('.')],
      sentence: `node ${id}: ${formatLinkFault(fault)}`,
    })),
  );

/** Impossible links and addresses of nodes. */
export async function readNodeFaults(
  db: Db | Tx,
  wanted: readonly NodeConfig[],
): Promise<FileFault[]> {
  return [...toLinkFaults(wanted), ...computeAddressFaults(wanted, await readNodes(db))];
}

async function readNodes(db: Db | Tx): Promise<NodeConfig[]> {
  const { rows } = await sql<NodeConfig>`
    SELECT id, api, tls, inbounds, groups, link FROM perennial.node ORDER BY id`.execute(db);
  return rows;
}

export async function diffNodes(db: Db | Tx, wanted: readonly NodeConfig[]): Promise<NodeStep[]> {
  const stored = new Map((await readNodes(db)).map((row) => [row.id, row]));
  const steps: NodeStep[] = [];
  for (const node of wanted) {
    const before = stored.get(node.id);
    if (before === undefined) steps.push({ do: 'add-node', node });
    else if (!isJsonEqual(before, node)) steps.push({ do: 'change-node', node, before });
  }
  return steps;
}

/** Two nodes at one address would overwrite each other's users. */
function computeAddressFaults(
  wanted: readonly NodeConfig[],
  stored: readonly NodeConfig[],
): FileFault[] {
  return wanted.flatMap(({ id, api }, index): FileFault[] => {
    const other = stored.find((node) => node.api === api && node.id !== id);
    if (other === undefined) return [];
    const isListed = wanted.some((node) => node.id === other.id);
    const remedy = isListed
      ? `apply the new address of "${other.id}" first`
      : `remove that node with "perennial node remove ${other.id}"`;
    const sentence = `nodes: the api "${api}" of node "${id}" is that of node "${other.id}" in the database; ${remedy}`;
    return [{ code: 'double_node', path: ['nodes', index, 'api'], sentence }];
  });
}

/** The changed keys; a changed address with both values. */
function describeNodeChange(before: NodeConfig, { id: _, ...node }: NodeConfig): string {
  const names = Object.keys(node).filter(
    (name) => !isJsonEqual(before[name as keyof NodeConfig], node[name as keyof typeof node]),
  );
  return names
    .map((name) => (name === 'api' ? `api ${before.api} -> ${node.api}` : name))
    .join(', ');
}

/** The change as one line for a person. */
export function describeNodeStep(step: NodeStep): string {
  return step.do === 'add-node'
    ? `+ node ${step.node.id}: ${step.node.api}`
    : `~ node ${step.node.id}: ${describeNodeChange(step.before, step.node)}`;
}
