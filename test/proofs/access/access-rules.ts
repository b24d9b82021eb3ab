import { type Instant, later, secondMs } from '../../../src/kernel/instant.ts';
import type { CredentialView, NodeView } from './database-view.ts';
import type { NodeBoot, SimulatedNode } from './environment.ts';

// Rules of access on a node that is up and seeded, for each of its inbounds:
//
// 1. An entitled credential without a mark can connect, if the node was seeded in this boot.
// 2. A credential that could connect and stays entitled can still connect in this boot, in spite of
//    marks, replacements and restores.
// 3. A credential that is not entitled and has no mark cannot connect.
// 4. A user with our prefix that the database does not know stays until a person confirms the
//    removal.
// 5. A wait is at most as long as a failure of the node causes, except for credentials that crash
//    nodes.

/** The memory of a node in its current boot. */
export interface NodeMemory {
  readonly boot: NodeBoot;
  /** Subscriptions that can certainly connect, by place. */
  readonly ids: ReadonlySet<string>;
  /**
   * Users that the database does not know, by place, and whether a person confirmed the removal.
   */
  readonly unknownUsers: ReadonlyMap<string, boolean>;
}

/** A node that is up: its rows, and its real state. */
export interface NodeScene {
  readonly simulated: SimulatedNode;
  readonly view: NodeView;
  readonly memory: NodeMemory | undefined;
  readonly now: Instant;
  /** Items that a crashing credential may put into quarantine. */
  readonly planted: ReadonlySet<string>;
}

/** The access of one subscription on one inbound. */
export interface AccessState {
  readonly credential: CredentialView;
  readonly place: string;
  /** True if it is entitled here. */
  readonly isEntitled: boolean;
  readonly isAdmitted: boolean;
  /** True if no mark is pending, and a comparison would find nothing. */
  readonly isCertain: boolean;
}

/** True if the node was seeded after its current start. */
export function isFilled({ simulated: { boot }, view }: NodeScene): boolean {
  return view.isFilled && view.bootAt !== boot.previousBootAt;
}

export function listAccessStates(scene: NodeScene): AccessState[] {
  const { simulated, view } = scene;
  const isKnown = isFilled(scene) && !simulated.boot.isUncertain;
  return view.people.flatMap((credential) =>
    simulated.tags.map((tag) => ({
      credential,
      place: `${tag} ${credential.id}`,
      isEntitled: credential.wanted && view.inbounds.includes(tag),
      isAdmitted: simulated.node.accepts(tag, credential.id),
      isCertain: isKnown && !credential.marked,
    })),
  );
}

/** The violations on a node. A violation has the same text as long as it lasts. */
export function findViolations(scene: NodeScene): string[] {
  const { simulated, view, memory, now, planted } = scene;
  const violations: string[] = [];
  for (const { credential, place, isEntitled, isAdmitted, isCertain } of listAccessStates(scene)) {
    const wasAdmitted = memory?.ids.has(place) === true;
    if (isEntitled && !isAdmitted && (isCertain || wasAdmitted)) {
      violations.push(
        `refuses ${place}, which ${wasAdmitted ? 'could connect before' : 'has no mark'}`,
      );
    }
    if (!isEntitled && isAdmitted && isCertain && credential.item !== null) {
      violations.push(`accepts ${place}, which has no mark`);
    }
    if (
      credential.due !== null &&
      credential.due > later(now, delayMaxMs) &&
      !isCrasher(credential, planted)
    ) {
      violations.push(`delays ${place}`);
    }
  }
  const known = new Set(view.people.filter(({ item }) => item !== null).map(({ id }) => `${id}`));
  for (const [place, mayGo] of memory?.unknownUsers ?? []) {
    const [tag = '', id = ''] = place.split(' ');
    if (mayGo || known.has(id) || simulated.node.accepts(tag, id)) continue;
    violations.push(`removed ${place}, which is not in the database, without a confirmation`);
  }
  return violations.map((each) => `${simulated.id} ${each}`);
}

/** The longest delay that a fault of the node causes (`markRetryMs`). */
const delayMaxMs = 4 * secondMs;

/** True if this credential crashes nodes, so that its subscription may be in quarantine. */
function isCrasher({ item, lost }: CredentialView, planted: ReadonlySet<string>): boolean {
  return lost && item !== null && planted.has(item);
}
