import { sql } from 'kysely';
import type { NodeConfig } from '../config/config.ts';
import type { Db, Tx } from '../db/connect.ts';
import { isJsonEqual } from '../kernel/json-equal.ts';
import { checkLink } from '../xray/link-faults.ts';
import { formatLinkFault } from '../xray/link-settings.ts';
import type { FileFault } from './file-faults.ts';

// The part of a difference that is about nodes.

export type NodeStep =
  | {
      readonly do: 'add-node';
      readonly node: NodeConfig;
    }
  | {
      readonly do: 'change-node';
      readonly node: NodeConfig;
      /** As the books have it. */
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

/** Links and addresses of nodes that can't be. */
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

/** Two nodes at one address would fight for its users: also one of the file and one of the books. */
function computeAddressFaults(
  wanted: readonly NodeConfig[],
  stored: readonly NodeConfig[],
): FileFault[] {
  return wanted.flatMap(({ id, api }, index): FileFault[] => {
    const other = stored.find((node) => node.api === api && node.id !== id);
    if (other === undefined) return [];
    const isListed = wanted.some((node) => node.id === other.id);
    const remedy = isListed
      ? 'give that one its new address first, by an apply of its own'
      : `"perennial node remove ${other.id}" gives that one up`;
    const sentence = `nodes: the api "${api}" of node "${id}" is that of node "${other.id}" in the books; ${remedy}`;
    return [{ code: 'double_node', path: ['nodes', index, 'api'], sentence }];
  });
}

/** What differs, a moved one with both addresses. */
function describeNodeChange(before: NodeConfig, { id: _, ...node }: NodeConfig): string {
  const names = Object.keys(node).filter(
    (name) => !isJsonEqual(before[name as keyof NodeConfig], node[name as keyof typeof node]),
  );
  return names
    .map((name) => (name === 'api' ? `api ${before.api} -> ${node.api}` : name))
    .join(', ');
}

/** The step as a line for a person. */
export function describeNodeStep(step: NodeStep): string {
  return step.do === 'add-node'
    ? `+ node ${step.node.id}: ${step.node.api}`
    : `~ node ${step.node.id}: ${describeNodeChange(step.before, step.node)}`;
}
