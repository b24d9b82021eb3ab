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

// Checks after every step which users the nodes accept (`access-rules.ts`), and how long a wait for
// the correct access lasts. Rows are older than the attempt, and keepers are active. So a violation
// is checked a second time.

/**
 * The longest allowed wait, in probes of the node. It applies to an entitled credential on a node
 * that is up and seeded, to a removal on a node that is up, and to a node from its start until it
 * is seeded. It counts over all boots until the access is correct, so that a crashing node cannot
 * hide a wait.
 *
 * Probes are 100 ms apart. A call without an answer lasts 5 s. A failed mark waits at most 4 s, and
 * so does the work of the node: 90 probes. Two such faults in a row are bad luck, and each start of
 * the node adds the short time of the seeding. A longer wait is a violation.
 */
const waitProbesMax = 200;

export class AccessMonitor {
  readonly #environment: Environment;
  readonly #memories = new Map<string, NodeMemory>();
  /** Probes by node and place. */
  #waiting = new Map<string, number>();
  readonly #probes = new Map<string, number>();
  #unfilled = new Map<NodeBoot, number>();
  readonly violations: string[] = [];
  judged = 0;
  /** The longest wait for access, for its end, and for a seeding. */
  readonly longest = { in: 0, out: 0, seeded: 0 };
  /** The checked situations: unknown users, and items in quarantine. */
  readonly seen = { strangers: new Set<string>(), aside: new Set<string>() };

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** The number of our names on a node that the database does not know. */
  countUnknown({ id }: SimulatedNode): number {
    const places = [...(this.#memories.get(id)?.unknownUsers.keys() ?? [])];
    return new Set(places.map((place) => place.split(' ')[1])).size;
  }

  hasUnknownOn({ id }: SimulatedNode, tag: string): boolean {
    const places = [...(this.#memories.get(id)?.unknownUsers.keys() ?? [])];
    return places.some((place) => place.startsWith(`${tag} `));
  }

  /** Confirms the removal of all names that are unknown now. */
  markConfirmed(): void {
    for (const [node, memory] of this.#memories) {
      const unknownUsers = new Map([...memory.unknownUsers.keys()].map((place) => [place, true]));
      this.#memories.set(node, { ...memory, unknownUsers });
    }
  }

  /** Another state of the database is restored, so the known users are read again. */
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

  /** Each violation once, because it lasts. */
  #report(after: string, what: string): void {
    if (!this.violations.some((reported) => reported.endsWith(what)))
      this.violations.push(`${after}: ${what}`);
  }

  #findViolations(view: DatabaseView): string[] {
    for (const item of view.quarantine) this.seen.aside.add(item);
    const quarantined = view.quarantine.filter((item) => !this.#environment.planted.has(item));
    return [
      ...this.#listScenes(view).flatMap(findViolations),
      ...quarantined.map((item) => `${item} is in quarantine, but crashes no node`),
    ];
  }

  /** Violations of the nodes that are up. */
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
        this.longest.seeded = Math.max(this.longest.seeded, since);
        if (since > waitProbesMax) this.#report(after, `${id} is not seeded`);
      }
      for (const each of all) {
        const key = `${id} ${each.place}`;
        const since = this.#countWait(scene, each, this.#waiting.get(key) ?? 0, passed);
        if (since === undefined) continue;
        waiting.set(key, since);
        const direction = each.isEntitled ? 'in' : 'out';
        this.longest[direction] = Math.max(this.longest[direction], since);
        if (since > waitProbesMax)
          this.#report(
            after,
            `${key} waits for its ${direction === 'in' ? 'addition' : 'removal'}`,
          );
      }
    }
    // A wait continues when its node is up again.
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

  /** @returns undefined if the access is correct or no keeper has to correct it yet */
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
    // The next comparison finds or marks it.
    if (credential.due === null && (simulated.boot.isUncertain || credential.marked)) return before;
    return isEntitled && !isFilled(scene) ? before : before + passed;
  }
}
