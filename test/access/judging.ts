import { type Instant, later, secondMs } from '../../src/kernel/instant.ts';
import type { NodeView, Person } from './view.ts';
import type { Life, WorldNode } from './world.ts';

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
export interface Held {
  readonly life: Life;
  /** Who can connect there for certain, by place. */
  readonly ids: ReadonlySet<string>;
  /** Users that the books don't know, by place, and whether a person let them go. */
  readonly strangers: ReadonlyMap<string, boolean>;
}

/** A node that is up, as the books have it and as it is. */
export interface Scene {
  readonly which: WorldNode;
  readonly view: NodeView;
  readonly held: Held | undefined;
  readonly now: Instant;
  /** Items that a killer may bring into quarantine. */
  readonly planted: ReadonlySet<string>;
}

/** How one person stands on one inbound. */
export interface Standing {
  readonly person: Person;
  readonly place: string;
  /** Ought to be let in here. */
  readonly owed: boolean;
  readonly letIn: boolean;
  /** Nothing is left to be told of him, nor to be found by a comparison. */
  readonly sure: boolean;
}

/** The node was filled after its present start. */
export function isFilled({ which: { life }, view }: Scene): boolean {
  return view.isFilled && view.bootAt !== life.bootBefore;
}

export function standings(scene: Scene): Standing[] {
  const { which, view } = scene;
  const known = isFilled(scene) && !which.life.unsure;
  return view.people.flatMap((person) =>
    which.tags.map((tag) => ({
      person,
      place: `${tag} ${person.id}`,
      owed: person.wanted && view.inbounds.includes(tag),
      letIn: which.node.admits(tag, person.id),
      sure: known && !person.marked,
    })),
  );
}

/** What is wrong on a node, each in a sentence that is the same as long as it is. */
export function wrongs(scene: Scene): string[] {
  const { which, view, held, now, planted } = scene;
  const wrong: string[] = [];
  for (const { person, place, owed, letIn, sure } of standings(scene)) {
    const wasHeld = held?.ids.has(place) === true;
    if (owed && !letIn && (sure || wasHeld)) {
      wrong.push(`shuts out ${place}, who ${wasHeld ? 'could connect before' : 'has no mark'}`);
    }
    if (!owed && letIn && sure && person.item !== null) {
      wrong.push(`lets ${place} in, who has no mark`);
    }
    if (person.due !== null && person.due > later(now, putOffMaxMs) && !isKiller(person, planted)) {
      wrong.push(`puts ${place} off`);
    }
  }
  const known = new Set(view.people.filter(({ item }) => item !== null).map(({ id }) => `${id}`));
  for (const [place, mayGo] of held?.strangers ?? []) {
    const [tag = '', id = ''] = place.split(' ');
    if (mayGo || known.has(id) || which.node.admits(tag, id)) continue;
    wrong.push(`took ${place} off, whom the books don't know, and nobody had said so`);
  }
  return wrong.map((each) => `${which.id} ${each}`);
}

/** What the node's own fault puts off (`markRetryMs`). */
const putOffMaxMs = 4 * secondMs;

/** Whose credential this is may be in quarantine, and this one was it that brought it there. */
function isKiller({ item, lost }: Person, planted: ReadonlySet<string>): boolean {
  return lost && item !== null && planted.has(item);
}
