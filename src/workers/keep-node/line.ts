import type { Fault } from '../../kernel/faults.ts';
import type { Instant } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import type { NodeAddress } from '../../xray/grpc/connect.ts';
import type { NodeApi } from '../../xray/port.ts';
import { type Span, workRestMs } from './rule.ts';
import { Recount, UserChanges } from './user-counts.ts';

export type Connect = (address: NodeAddress) => NodeApi;

/** The line to a node, and what its keeper knows of who is at the other end. */
export class Line {
  readonly #connect: Connect;
  readonly #elapsedMs: () => number;
  #open: { readonly to: string; readonly address: NodeAddress; readonly api: NodeApi } | undefined;
  #faults = 0;
  #roundTripMs = Number.POSITIVE_INFINITY;
  #restUntilMs = 0;

  /** What the calls on this connection changed, and the last counts of users on it. */
  changes = new UserChanges();
  recount = new Recount();

  /** Its last probe was well, and no call failed since. */
  reachable = false;
  /** It was out of reach, or broke off a call, since its users were counted last. */
  wasAway = false;
  lastUptimeS: number | undefined;
  /** The connection on which that was told, by its number. */
  lastConnected: number | undefined;
  /** When it began, as exactly as its probes have told; by `nowMs`. */
  born: Span | undefined;
  /** The life that was seen last. */
  bootAt: Instant | undefined;
  /** How many lives of the node were seen to begin since it is kept here. */
  life = 0;
  seeded = false;
  /** Its filling has yet to begin: pages that were read before may confirm users that it lost. */
  fillsAnew = false;
  /** Whether it was found out in this life that nothing is in the way of adding (`learning.ts`). */
  learned = false;
  /** The link and the inbounds of that time, as `frontKey` names them. */
  learnedFrom = '';
  /** Since the last probe, users were added or the filling went on. */
  hasAdded = false;
  /** How often the work came to rest by the node's fault. */
  rests = 0;
  /** Why nobody can be added; removals go on. */
  hindrance: Fault | undefined;
  /** Removals that aren't urgent were not all looked for, since that was found out. */
  allGo = false;
  #hindered = 0;
  #hinderedUntilMs = 0;
  #error: string | null = null;

  /** @param elapsedMs a clock that only goes forward */
  constructor(connect: Connect, elapsedMs = stopwatch()) {
    this.#connect = connect;
    this.#elapsedMs = elapsedMs;
  }

  /** The connection to this address, which may have changed. @throws Fault bad_address, node_certificate */
  to({ api, tls }: Required<NodeAddress>): NodeApi {
    const to = JSON.stringify([api, tls]);
    if (this.#open?.to === to) return this.#open.api;
    this.close();
    const address = { api, tls };
    this.changes = new UserChanges();
    this.recount = new Recount();
    this.#open = { to, address, api: this.changes.watch(this.#connect(address)) };
    return this.#open.api;
  }

  /** The connection for the work; undefined: not now, or this isn't the address any more. */
  workable(): NodeApi | undefined {
    if (!this.reachable || this.#elapsedMs() < this.#restUntilMs) return undefined;
    return this.#open?.api;
  }

  leadsTo(api: string): boolean {
    return this.#open?.address.api === api;
  }

  /** By a clock that goes forward, also while the process stands still. */
  nowMs(): number {
    return this.#elapsedMs();
  }

  /** The node answered after so long. The quickest answer counts: others had waited for their turn. */
  heardAfter(ms: number): void {
    this.#roundTripMs = Math.min(this.#roundTripMs, ms);
  }

  /** 0: it hasn't answered yet. */
  get roundTripMs(): number {
    return Number.isFinite(this.#roundTripMs) ? this.#roundTripMs : 0;
  }

  /** What is in the way of adding, if anything is. It is looked for again after a while. */
  learn(hindrance: Fault | undefined): void {
    this.learned = hindrance === undefined;
    this.hindrance = hindrance;
    this.allGo = true;
    this.#hindered = hindrance === undefined ? 0 : this.#hindered + 1;
    if (hindrance === undefined) return;
    this.#hinderedUntilMs = this.#elapsedMs() + workRestMs(hindrance, this.#hindered);
  }

  /** Something was in the way a short while ago. */
  isHindered(): boolean {
    return this.hindrance !== undefined && this.#elapsedMs() < this.#hinderedUntilMs;
  }

  /** Why the work rests, or is half done; probes may be well all the same. */
  get workError(): string | null {
    return this.#error ?? this.hindrance?.message ?? null;
  }

  /** How long the work rests on after a failure. */
  restMs(): number {
    return Math.max(0, this.#restUntilMs - this.#elapsedMs());
  }

  /** The work failed by the node's fault: it waits for a probe that is well, and some time. */
  failed(fault: Fault): void {
    this.rests += 1;
    this.#faults += 1;
    this.#restUntilMs = this.#elapsedMs() + workRestMs(fault, this.#faults);
    this.#error = fault.message;
    this.learned = false;
    if (fault.kind !== 'transient') return;
    this.reachable = false;
    this.wasAway = true;
  }

  worked(): void {
    this.#faults = 0;
    this.#error = null;
  }

  close(): void {
    this.#open?.api.close();
    this.#open = undefined;
    this.#roundTripMs = Number.POSITIVE_INFINITY;
    Object.assign(this, {
      ...{ reachable: false, lastUptimeS: undefined, born: undefined, lastConnected: undefined },
      ...{ learned: false, hindrance: undefined },
    });
  }
}
