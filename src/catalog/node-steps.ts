import { sql } from 'kysely';
import type { Config, NodeConfig } from '../config.ts';
import type { Db, Tx } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import { linkFaults } from '../xray/link-faults.ts';
import { faultText } from '../xray/link-settings.ts';
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

/** Links that clients refuse: all faults of the file at once, each with its line. */
function refuseBadLinks({ path, lineOf }: Config, wanted: readonly NodeConfig[]): void {
  const faults = wanted.flatMap(({ id, link }, at) =>
    linkFaults(link).map((fault) => {
      const line = lineOf?.(['nodes', at, 'link', ...fault.key.split('.')]);
      const place = `${path ?? 'perennial.yaml'}: ${line === undefined ? '' : `line ${line}: `}`;
      return { line: line ?? 0, text: `${place}node ${id}: ${faultText(fault)}` };
    }),
  );
  if (faults.length === 0) return;
  const texts = faults.sort((a, b) => a.line - b.line).map(({ text }) => text);
  throw new UsageFault('bad_link', texts.join('\n'));
}

/** @throws UsageFault for a link or an address that can't be */
export async function nodeSteps(
  db: Db | Tx,
  config: Config,
  wanted: readonly NodeConfig[],
): Promise<NodeStep[]> {
  const place = config.path ?? 'perennial.yaml';
  const { rows } = await sql<NodeConfig>`
    SELECT id, api, tls, inbounds, groups, link FROM perennial.node ORDER BY id`.execute(db);
  const there = new Map(rows.map((row) => [row.id, row]));
  refuseBadLinks(config, wanted);
  refuseTaken(place, wanted, rows);
  const steps: NodeStep[] = [];
  for (const node of wanted) {
    const before = there.get(node.id);
    if (before === undefined) steps.push({ do: 'add-node', node });
    else if (!same(before, node)) steps.push({ do: 'change-node', node, before });
  }
  return steps;
}

/** Two nodes at one address would fight for its users: also one of the file and one of the books. */
function refuseTaken(
  place: string,
  wanted: readonly NodeConfig[],
  there: readonly NodeConfig[],
): void {
  for (const { id, api } of wanted) {
    const other = there.find((node) => node.api === api && node.id !== id);
    if (other === undefined) continue;
    const isListed = wanted.some((node) => node.id === other.id);
    const way = isListed
      ? 'give that one its new address first, by an apply of its own'
      : `"perennial node remove ${other.id}" gives that one up`;
    throw new UsageFault(
      'double_node',
      `${place}: nodes: the api "${api}" of node "${id}" is that of node "${other.id}" in the books; ${way}`,
    );
  }
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
