import {
  type AccessState,
  findViolations,
  isFilled,
  listAccessStates,
  type NodeMemory,
  type NodeScene,
} from './access-rules.ts';
import { type DatabaseView, readView } from './database-view.ts';
import type { Environment, NodeBoot, SimulatedNode } from './environment.ts';

// Looks after every step at whom the nodes would let in (`access-rules.ts`), and for how long anybody
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
const waitProbesMax = 200;

export class AccessMonitor {
  readonly #environment: Environment;
  readonly #memories = new Map<string, NodeMemory>();
  /** Probes, by node and place. */
  #waiting = new Map<string, number>();
  readonly #probes = new Map<string, number>();
  #unfilled = new Map<NodeBoot, number>();
  readonly violations: string[] = [];
  judged = 0;
  /** The longest that anybody waited for access, for its end, or a node to be filled. */
  readonly longest = { in: 0, out: 0, filled: 0 };
  /** What was there to be judged: users whom the books didn't know, and items in quarantine. */
  readonly seen = { strangers: new Set<string>(), aside: new Set<string>() };

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** How many names of ours a node has that the books don't know. */
  countUnknown({ id }: SimulatedNode): number {
    const places = [...(this.#memories.get(id)?.unknownUsers.keys() ?? [])];
    return new Set(places.map((place) => place.split(' ')[1])).size;
  }

  hasUnknownOn({ id }: SimulatedNode, tag: string): boolean {
    const places = [...(this.#memories.get(id)?.unknownUsers.keys() ?? [])];
    return places.some((place) => place.startsWith(`${tag} `));
  }

  /** All names that are unknown by now may go. */
  markConfirmed(): void {
    for (const [node, memory] of this.#memories) {
      const unknownUsers = new Map([...memory.unknownUsers.keys()].map((place) => [place, true]));
      this.#memories.set(node, { ...memory, unknownUsers });
    }
  }

  /** The books are others now: whom they know is to be seen. */
  forgetUnknown(): void {
    for (const [node, memory] of this.#memories) {
      this.#memories.set(node, { ...memory, unknownUsers: new Map() });
    }
  }

  async check(after: string): Promise<void> {
    let view = await readView(this.#environment);
    const first = this.#findViolations(view);
    if (first.length > 0) {
      view = await readView(this.#environment);
      const second = this.#findViolations(view);
      for (const what of first) if (second.includes(what)) this.#report(after, what);
    }
    this.#record(view, after);
  }

  /** Each once: what is wrong stays so. */
  #report(after: string, what: string): void {
    if (!this.violations.some((reported) => reported.endsWith(what)))
      this.violations.push(`${after}: ${what}`);
  }

  #findViolations(view: DatabaseView): string[] {
    for (const item of view.quarantine) this.seen.aside.add(item);
    const quarantined = view.quarantine.filter((item) => !this.#environment.planted.has(item));
    return [
      ...this.#listScenes(view).flatMap(findViolations),
      ...quarantined.map((item) => `${item} is in quarantine, and kills nobody`),
    ];
  }

  /** Of the nodes that are up. */
  #listScenes({ nodes }: DatabaseView): NodeScene[] {
    const { now, planted } = this.#environment;
    return this.#environment.nodes.flatMap((simulated) => {
      const view = nodes.get(simulated.id);
      const before = this.#memories.get(simulated.id);
      const memory = before?.boot === simulated.boot ? before : undefined;
      return view !== undefined && simulated.node.isRunning()
        ? [{ simulated, view, memory, now, planted }]
        : [];
    });
  }

  #record(view: DatabaseView, after: string): void {
    const scenes = this.#listScenes(view);
    const waiting = new Map<string, number>();
    for (const scene of scenes) {
      const { id, boot, probes } = scene.simulated;
      const passed = probes - (this.#probes.get(id) ?? 0);
      this.#probes.set(id, probes);
      const all = listAccessStates(scene);
      this.#memories.set(id, this.#rememberNode(scene, all));
      if (!isFilled(scene)) {
        const since = (this.#unfilled.get(boot) ?? 0) + passed;
        this.#unfilled = new Map(this.#unfilled).set(boot, since);
        this.longest.filled = Math.max(this.longest.filled, since);
        if (since > waitProbesMax) this.#report(after, `${id} is not filled`);
      }
      for (const each of all) {
        const key = `${id} ${each.place}`;
        const since = this.#countWait(scene, each, this.#waiting.get(key) ?? 0, passed);
        if (since === undefined) continue;
        waiting.set(key, since);
        const direction = each.isEntitled ? 'in' : 'out';
        this.longest[direction] = Math.max(this.longest[direction], since);
        if (since > waitProbesMax) this.#report(after, `${key} waits to be let ${direction}`);
      }
    }
    // Whose node is down waits on when it is back.
    const up = new Set(scenes.map(({ simulated }) => simulated.id));
    for (const [key, since] of this.#waiting) {
      if (!up.has(key.split(' ')[0] ?? '')) waiting.set(key, since);
    }
    this.#waiting = waiting;
  }

  #rememberNode(
    { simulated: { boot }, memory }: NodeScene,
    all: readonly AccessState[],
  ): NodeMemory {
    this.judged += all.filter(({ isCertain, place }) => isCertain || memory?.ids.has(place)).length;
    const admitted = all.filter(
      ({ isEntitled, isAdmitted, isCertain, place }) =>
        isEntitled && isAdmitted && (isCertain || memory?.ids.has(place) === true),
    );
    const unknown = all.filter(
      ({ isAdmitted, credential }) => isAdmitted && credential.item === null,
    );
    for (const { credential } of unknown) this.seen.strangers.add(credential.id);
    return {
      boot,
      ids: new Set(admitted.map(({ place }) => place)),
      unknownUsers: new Map(
        unknown.map(({ place, credential }) => [
          place,
          credential.confirmed || memory?.unknownUsers.get(place) === true,
        ]),
      ),
    };
  }

  /** @returns undefined: he has what is right, or nobody owes it yet */
  #countWait(
    scene: NodeScene,
    { credential, place, isEntitled, isAdmitted }: AccessState,
    before: number,
    passed: number,
  ): number | undefined {
    if (isEntitled === isAdmitted) return undefined;
    const { simulated, memory, planted } = scene;
    if (credential.item === null) {
      return credential.confirmed || memory?.unknownUsers.get(place) === true
        ? before + passed
        : undefined;
    }
    if (planted.has(credential.item)) return undefined;
    // Found, or marked, by the next comparison.
    if (credential.due === null && (simulated.boot.isUncertain || credential.marked)) return before;
    return isEntitled && !isFilled(scene) ? before : before + passed;
  }
}
