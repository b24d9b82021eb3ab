import { type Held, isFilled, type Scene, type Standing, standings, wrongs } from './judging.ts';
import { readView, type View } from './view.ts';
import type { Life, World, WorldNode } from './world.ts';

// Looks after every step at whom the nodes would let in (`judging.ts`), and for how long anybody
// is kept waiting for what is right. What is read is older than what is tried, and keepers are at
// work: what is wrong by one look is looked at once more.

/**
 * For how many of its node's probes somebody may be kept waiting: who may connect, on a node that is
 * up and filled; who may not, on one that is up; a node, from its start until it is filled. Counted
 * over all lives of the node until he has what is right, so that nobody starves for his node's sake.
 *
 * Probes are 100 ms apart. A call whose answer is lost takes its deadline, 5 s; what failed waits for
 * 4 s at most, the node's work likewise: 90 probes. Two of them in a row are bad luck, and each start
 * of the node adds the little that telling everybody takes; more is starving.
 */
const patience = 200;

export class Watch {
  readonly #world: World;
  readonly #held = new Map<string, Held>();
  /** Probes, by node and place. */
  #waiting = new Map<string, number>();
  readonly #probes = new Map<string, number>();
  #unfilled = new Map<Life, number>();
  readonly wrong: string[] = [];
  judged = 0;
  /** The longest that anybody waited for access, for its end, or a node to be filled. */
  readonly longest = { in: 0, out: 0, filled: 0 };
  /** What was there to be judged: users whom the books didn't know, and items in quarantine. */
  readonly seen = { strangers: new Set<string>(), aside: new Set<string>() };

  constructor(world: World) {
    this.#world = world;
  }

  /** How many names of ours a node has that the books don't know. */
  strangersOf({ id }: WorldNode): number {
    const places = [...(this.#held.get(id)?.strangers.keys() ?? [])];
    return new Set(places.map((place) => place.split(' ')[1])).size;
  }

  hasStrangersOn({ id }: WorldNode, tag: string): boolean {
    const places = [...(this.#held.get(id)?.strangers.keys() ?? [])];
    return places.some((place) => place.startsWith(`${tag} `));
  }

  /** All names that are unknown by now may go. */
  confirmed(): void {
    for (const [node, held] of this.#held) {
      const strangers = new Map([...held.strangers.keys()].map((place) => [place, true]));
      this.#held.set(node, { ...held, strangers });
    }
  }

  /** The books are others now: whom they know is to be seen. */
  restored(): void {
    for (const [node, held] of this.#held) {
      this.#held.set(node, { ...held, strangers: new Map() });
    }
  }

  async look(after: string): Promise<void> {
    let view = await readView(this.#world);
    const found = this.#wrongs(view);
    if (found.length > 0) {
      view = await readView(this.#world);
      const still = this.#wrongs(view);
      for (const what of found) if (still.includes(what)) this.#blame(after, what);
    }
    this.#remember(view, after);
  }

  /** Each once: what is wrong stays so. */
  #blame(after: string, what: string): void {
    if (!this.wrong.some((said) => said.endsWith(what))) this.wrong.push(`${after}: ${what}`);
  }

  #wrongs(view: View): string[] {
    for (const item of view.quarantine) this.seen.aside.add(item);
    const aside = view.quarantine.filter((item) => !this.#world.planted.has(item));
    return [
      ...this.#scenes(view).flatMap(wrongs),
      ...aside.map((item) => `${item} is in quarantine, and kills nobody`),
    ];
  }

  /** Of the nodes that are up. */
  #scenes({ nodes }: View): Scene[] {
    const { now, planted } = this.#world;
    return this.#world.nodes.flatMap((which) => {
      const view = nodes.get(which.id);
      const before = this.#held.get(which.id);
      const held = before?.life === which.life ? before : undefined;
      return view !== undefined && which.node.up() ? [{ which, view, held, now, planted }] : [];
    });
  }

  #remember(view: View, after: string): void {
    const scenes = this.#scenes(view);
    const waiting = new Map<string, number>();
    for (const scene of scenes) {
      const { id, life, probes } = scene.which;
      const passed = probes - (this.#probes.get(id) ?? 0);
      this.#probes.set(id, probes);
      const all = standings(scene);
      this.#held.set(id, this.#heldBy(scene, all));
      if (!isFilled(scene)) {
        const since = (this.#unfilled.get(life) ?? 0) + passed;
        this.#unfilled = new Map(this.#unfilled).set(life, since);
        this.longest.filled = Math.max(this.longest.filled, since);
        if (since > patience) this.#blame(after, `${id} is not filled`);
      }
      for (const each of all) {
        const key = `${id} ${each.place}`;
        const since = this.#waited(scene, each, this.#waiting.get(key) ?? 0, passed);
        if (since === undefined) continue;
        waiting.set(key, since);
        const way = each.owed ? 'in' : 'out';
        this.longest[way] = Math.max(this.longest[way], since);
        if (since > patience) this.#blame(after, `${key} waits to be let ${way}`);
      }
    }
    // Whose node is down waits on when it is back.
    const up = new Set(scenes.map(({ which }) => which.id));
    for (const [key, since] of this.#waiting) {
      if (!up.has(key.split(' ')[0] ?? '')) waiting.set(key, since);
    }
    this.#waiting = waiting;
  }

  #heldBy({ which: { life }, held }: Scene, all: readonly Standing[]): Held {
    this.judged += all.filter(({ sure, place }) => sure || held?.ids.has(place)).length;
    const has = all.filter(
      ({ owed, letIn, sure, place }) => owed && letIn && (sure || held?.ids.has(place) === true),
    );
    const unknown = all.filter(({ letIn, person }) => letIn && person.item === null);
    for (const { person } of unknown) this.seen.strangers.add(person.id);
    return {
      life,
      ids: new Set(has.map(({ place }) => place)),
      strangers: new Map(
        unknown.map(({ place, person }) => [
          place,
          person.confirmed || held?.strangers.get(place) === true,
        ]),
      ),
    };
  }

  /** @returns undefined: he has what is right, or nobody owes it yet */
  #waited(
    scene: Scene,
    { person, place, owed, letIn }: Standing,
    before: number,
    passed: number,
  ): number | undefined {
    if (owed === letIn) return undefined;
    const { which, held, planted } = scene;
    if (person.item === null) {
      return person.confirmed || held?.strangers.get(place) === true ? before + passed : undefined;
    }
    if (planted.has(person.item)) return undefined;
    // Found, or marked, by the next comparison.
    if (person.due === null && (which.life.unsure || person.marked)) return before;
    return owed && !isFilled(scene) ? before : before + passed;
  }
}
