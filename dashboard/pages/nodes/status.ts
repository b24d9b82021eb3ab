import type { ItemOf } from '../../api/client.ts';
import type { Tone } from '../../parts/values.tsx';

export type Node = ItemOf<'/v1/nodes'>;

/** The state of a node, and its colour. The first one that applies counts. */
const states: readonly (readonly [name: string, Tone, (node: Node) => boolean])[] = [
  ['draining', 'neutral', ({ leaving }) => leaving],
  ['down', 'bad', ({ down_since: since }) => since !== null],
  ['unseen', 'warning', ({ last_seen_at: at }) => at === null],
  ['seeding', 'warning', ({ seeding }) => seeding],
  ['up', 'good', () => true],
];

export function readNodeState(node: Node): { readonly name: string; readonly tone: Tone } {
  const [name, tone] = states.find(([, , applies]) => applies(node)) ?? ['up', 'good'];
  return { name, tone };
}

export interface NodeProgress {
  /** Users that the node has. */
  readonly done: number;
  readonly of: number;
}

/**
 * Users of the node without those that wait. While the node is seeded, users without a mark are
 * not on it yet.
 */
export function computeProgress(node: Node): NodeProgress {
  const { users, additions_waiting: waiting, seeding, seed_marked: marked } = node;
  const known = seeding ? Math.min(marked, users) : users;
  return { done: Math.max(known - waiting, 0), of: users };
}
