import { type Instant, later, secondMs } from '../../../src/kernel/instant.ts';
import type { CredentialView, NodeView } from './database-view.ts';
import type { NodeBoot, SimulatedNode } from './environment.ts';

// Nobody with a running subscription is without access on a node that is up and seeded, and nobody
// else has it there, on each inbound of the node:
//
// - who may connect, and has no mark on a node that was filled in this life, can connect there;
// - who could connect, and may ever since, still can, whatever is marked, replaced or restored, as
//   long as that node lives;
// - who may not connect, and has no mark there, can't;
// - a name of ours that the books don't know stays, until a person said that it may go;
// - nobody is put off for longer than a failure of the node's is, but who kills nodes.

/** What is remembered of a node in this life of it. */
export interface NodeMemory {
  readonly boot: NodeBoot;
  /** Who can connect there for certain, by place. */
  readonly ids: ReadonlySet<string>;
  /** Users that the books don't know, by place, and whether a person let them go. */
  readonly unknownUsers: ReadonlyMap<string, boolean>;
}

/** A node that is up, as the books have it and as it is. */
export interface NodeScene {
  readonly simulated: SimulatedNode;
  readonly view: NodeView;
  readonly memory: NodeMemory | undefined;
  readonly now: Instant;
  /** Items that a killer may bring into quarantine. */
  readonly planted: ReadonlySet<string>;
}

/** How one person stands on one inbound. */
export interface AccessState {
  readonly credential: CredentialView;
  readonly place: string;
  /** Ought to be let in here. */
  readonly isEntitled: boolean;
  readonly isAdmitted: boolean;
  /** Nothing is left to be told of him, nor to be found by a comparison. */
  readonly isCertain: boolean;
}

/** The node was filled after its present start. */
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

/** What is wrong on a node, each in a sentence that is the same as long as it is. */
export function findViolations(scene: NodeScene): string[] {
  const { simulated, view, memory, now, planted } = scene;
  const violations: string[] = [];
  for (const { credential, place, isEntitled, isAdmitted, isCertain } of listAccessStates(scene)) {
    const wasAdmitted = memory?.ids.has(place) === true;
    if (isEntitled && !isAdmitted && (isCertain || wasAdmitted)) {
      violations.push(
        `shuts out ${place}, who ${wasAdmitted ? 'could connect before' : 'has no mark'}`,
      );
    }
    if (!isEntitled && isAdmitted && isCertain && credential.item !== null) {
      violations.push(`lets ${place} in, who has no mark`);
    }
    if (
      credential.due !== null &&
      credential.due > later(now, delayMaxMs) &&
      !isCrasher(credential, planted)
    ) {
      violations.push(`puts ${place} off`);
    }
  }
  const known = new Set(view.people.filter(({ item }) => item !== null).map(({ id }) => `${id}`));
  for (const [place, mayGo] of memory?.unknownUsers ?? []) {
    const [tag = '', id = ''] = place.split(' ');
    if (mayGo || known.has(id) || simulated.node.accepts(tag, id)) continue;
    violations.push(`took ${place} off, whom the books don't know, and nobody had said so`);
  }
  return violations.map((each) => `${simulated.id} ${each}`);
}

/** What the node's own fault puts off (`markRetryMs`). */
const delayMaxMs = 4 * secondMs;

/** Whose credential this is may be in quarantine, and this one was it that brought it there. */
function isCrasher({ item, lost }: CredentialView, planted: ReadonlySet<string>): boolean {
  return lost && item !== null && planted.has(item);
}
