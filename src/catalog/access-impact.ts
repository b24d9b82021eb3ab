import { unreachable } from '../kernel/faults.ts';
import type { CatalogStep } from './diff.ts';

// How many running subscriptions lose or gain access by the steps of `apply`.
//
// 1. A subscription has access to an inbound of a node if its plan and the node have a group in
//    common.
// 2. A subscription loses access if it has access to an inbound before, and not after. It gains
//    access in the other direction. One step can do both.
// 3. Each step is counted against the state that the steps before it left.
// 4. The sum compares the first state with the last one, and counts each subscription once.
// 5. More than max(20, 10% of the running subscriptions) that lose access need the exact number as
//    a confirmation.

/** The groups of each plan, and the number of its running subscriptions. */
export interface AccessState {
  readonly plans: ReadonlyMap<string, readonly string[]>;
  readonly nodes: ReadonlyMap<string, NodeAccess>;
  readonly running: ReadonlyMap<string, number>;
}

export interface NodeAccess {
  readonly groups: readonly string[];
  readonly inbounds: readonly string[];
}

export interface AccessImpact {
  readonly lose: number;
  readonly gain: number;
}

export interface StepsImpact {
  readonly each: readonly AccessImpact[];
  readonly sum: AccessImpact;
  /** All running subscriptions. */
  readonly running: number;
  readonly after: AccessState;
}

const unconfirmedMin = 20;
const unconfirmedShare = 10;

/** The number of subscriptions that may lose access without a confirmation. */
export function computeUnconfirmedMax(running: number): number {
  return Math.max(unconfirmedMin, Math.floor(running / unconfirmedShare));
}

export function computeStepsImpact(
  before: AccessState,
  steps: readonly CatalogStep[],
): StepsImpact {
  const each: AccessImpact[] = [];
  let state = before;
  for (const step of steps) {
    const next = computeStateAfter(state, step);
    each.push(computeImpact(state, next));
    state = next;
  }
  const running = [...before.running.values()].reduce((sum, count) => sum + count, 0);
  return { each, sum: computeImpact(before, state), running, after: state };
}

export function computeImpact(before: AccessState, after: AccessState): AccessImpact {
  if (before === after) return { lose: 0, gain: 0 };
  let [lose, gain] = [0, 0];
  for (const [plan, count] of before.running) {
    const [had, has] = [computeInbounds(before, plan), computeInbounds(after, plan)];
    if (hasMore(had, has)) lose += count;
    if (hasMore(has, had)) gain += count;
  }
  return { lose, gain };
}

/** True if the first set has an inbound that the second one lacks. */
const hasMore = (one: ReadonlySet<string>, other: ReadonlySet<string>): boolean =>
  [...one].some((inbound) => !other.has(inbound));

/** The inbounds that a plan opens. */
function computeInbounds({ plans, nodes }: AccessState, plan: string): ReadonlySet<string> {
  const groups = plans.get(plan) ?? [];
  const open = [...nodes].filter(([, node]) => node.groups.some((group) => groups.includes(group)));
  return new Set(
    open.flatMap(([id, { inbounds }]) => inbounds.map((tag) => JSON.stringify([id, tag]))),
  );
}

function computeStateAfter(state: AccessState, step: CatalogStep): AccessState {
  switch (step.do) {
    case 'add-plan':
    case 'change-plan':
      return { ...state, plans: new Map(state.plans).set(step.plan, step.groups) };
    case 'add-node':
    case 'change-node':
      return withNode(state, step.node.id, step.node);
    case 'retire-plan':
    case 'revive-plan':
    case 'set-price':
    case 'set-rule':
    case 'name-installation':
      return state;
    default:
      return unreachable(step);
  }
}

export function withNode(state: AccessState, id: string, node: NodeAccess): AccessState {
  return { ...state, nodes: new Map(state.nodes).set(id, node) };
}
