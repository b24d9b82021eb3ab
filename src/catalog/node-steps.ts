import { sql } from 'kysely';
import type { NodeConfig } from '../config.ts';
import type { Db, Tx } from '../db/connect.ts';
import { linkFaults } from '../xray/link-faults.ts';
import { faultText } from '../xray/link-settings.ts';
import type { BookFault } from './book-faults.ts';
import { same } from './same.ts';

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
const linkFaultsOf = (wanted: readonly NodeConfig[]): BookFault[] =>
  wanted.flatMap(({ id, link }, at) =>
    linkFaults(link).map((fault) => ({
      code: 'bad_link',
      path: ['nodes', at, 'link', ...fault.key.split('.')],
      sentence: `node ${id}: ${faultText(fault)}`,
    })),
  );

/** Links and addresses of nodes that can't be. */
export async function nodeFaultsOf(
  db: Db | Tx,
  wanted: readonly NodeConfig[],
): Promise<BookFault[]> {
  return [...linkFaultsOf(wanted), ...takenFaults(wanted, await readNodes(db))];
}

async function readNodes(db: Db | Tx): Promise<NodeConfig[]> {
  const { rows } = await sql<NodeConfig>`
    SELECT id, api, tls, inbounds, groups, link FROM perennial.node ORDER BY id`.execute(db);
  return rows;
}

export async function nodeSteps(db: Db | Tx, wanted: readonly NodeConfig[]): Promise<NodeStep[]> {
  const there = new Map((await readNodes(db)).map((row) => [row.id, row]));
  const steps: NodeStep[] = [];
  for (const node of wanted) {
    const before = there.get(node.id);
    if (before === undefined) steps.push({ do: 'add-node', node });
    else if (!same(before, node)) steps.push({ do: 'change-node', node, before });
  }
  return steps;
}

/** Two nodes at one address would fight for its users: also one of the file and one of the books. */
function takenFaults(wanted: readonly NodeConfig[], there: readonly NodeConfig[]): BookFault[] {
  return wanted.flatMap(({ id, api }, at): BookFault[] => {
    const other = there.find((node) => node.api === api && node.id !== id);
    if (other === undefined) return [];
    const isListed = wanted.some((node) => node.id === other.id);
    const way = isListed
      ? 'give that one its new address first, by an apply of its own'
      : `"perennial node remove ${other.id}" gives that one up`;
    const sentence = `nodes: the api "${api}" of node "${id}" is that of node "${other.id}" in the books; ${way}`;
    return [{ code: 'double_node', path: ['nodes', at, 'api'], sentence }];
  });
}

/** What differs, a moved one with both addresses. */
function nodeChange(before: NodeConfig, { id: _, ...node }: NodeConfig): string {
  const names = Object.keys(node).filter(
    (name) => !same(before[name as keyof NodeConfig], node[name as keyof typeof node]),
  );
  return names
    .map((name) => (name === 'api' ? `api ${before.api} -> ${node.api}` : name))
    .join(', ');
}

/** The step as a line for a person. */
export function nodeInWords(step: NodeStep): string {
  return step.do === 'add-node'
    ? `+ node ${step.node.id}: ${step.node.api}`
    : `~ node ${step.node.id}: ${nodeChange(step.before, step.node)}`;
}
