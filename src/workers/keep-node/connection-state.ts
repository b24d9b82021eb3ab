import type { Fault } from '../../kernel/faults.ts';
import type { Instant } from '../../kernel/instant.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import type { NodeAddress } from '../../xray/grpc/connect.ts';
import type { NodeApi } from '../../xray/port.ts';
import { type Span, workBackoffMs } from './rule.ts';
import { Recount, UserChanges } from './user-counts.ts';

export type Connect = (address: NodeAddress) => NodeApi;

/** The line to a node, and what its keeper knows of who is at the other end. */
export class ConnectionState {
  readonly #connect: Connect;
  readonly #elapsedMs: () => number;
  #current:
    | { readonly to: string; readonly address: NodeAddress; readonly api: NodeApi }
    | undefined;
  #faults = 0;
  #roundTripMs = Number.POSITIVE_INFINITY;
  #backoffUntilMs = 0;

  /** What the calls on this connection changed, and the last counts of users on it. */
  changes = new UserChanges();
  recount = new Recount();

  /** Its last probe was well, and no call failed since. */
  reachable = false;
  /** It was out of reach, or broke off a call, since its users were counted last. */
  wasUnreachable = false;
  lastUptimeS: number | undefined;
  /** The connection on which that was told, by its number. */
  lastConnected: number | undefined;
  /** When it began, as exactly as its probes have told; by `nowMs`. */
  bootWindow: Span | undefined;
  /** The life that was seen last. */
  bootAt: Instant | undefined;
  /** How many lives of the node were seen to begin since it is kept here. */
  bootCount = 0;
  seeded = false;
  /** Its filling has yet to begin: pages that were read before may confirm users that it lost. */
  mustReseed = false;
  /** Whether it was found out in this life that nothing is in the way of adding (`capabilities.ts`). */
  capabilitiesKnown = false;
  /** The link and the inbounds of that time, as `frontKey` names them. */
  capabilitiesKey = '';
  /** Since the last probe, users were added or the filling went on. */
  hasAdded = false;
  /** How often the work came to rest by the node's fault. */
  backoffCount = 0;
  /** Why nobody can be added; removals go on. */
  blockedBy: Fault | undefined;
  /** Removals that aren't urgent were not all looked for, since that was found out. */
  isRemovalScanPending = false;
  #blockedCount = 0;
  #blockedUntilMs = 0;
  #error: string | null = null;

  /** @param elapsedMs a clock that only goes forward */
  constructor(connect: Connect, elapsedMs = stopwatch()) {
    this.#connect = connect;
    this.#elapsedMs = elapsedMs;
  }

  /** The connection to this address, which may have changed. @throws Fault bad_address, node_certificate */
  to({ api, tls }: Required<NodeAddress>): NodeApi {
    const to = JSON.stringify([api, tls]);
    if (this.#current?.to === to) return this.#current.api;
    this.close();
    const address = { api, tls };
    this.changes = new UserChanges();
    this.recount = new Recount();
    this.#current = { to, address, api: this.changes.wrap(this.#connect(address)) };
    return this.#current.api;
  }

  /** The connection for the work; undefined: not now, or this isn't the address any more. */
  getWorkApi(): NodeApi | undefined {
    if (!this.reachable || this.#elapsedMs() < this.#backoffUntilMs) return undefined;
    return this.#current?.api;
  }

  isConnectedTo(api: string): boolean {
    return this.#current?.address.api === api;
  }

  /** By a clock that goes forward, also while the process stands still. */
  nowMs(): number {
    return this.#elapsedMs();
  }

  /** The node answered after so long. The quickest answer counts: others had waited for their turn. */
  recordRoundTrip(ms: number): void {
    this.#roundTripMs = Math.min(this.#roundTripMs, ms);
  }

  /** 0: it hasn't answered yet. */
  get roundTripMs(): number {
    return Number.isFinite(this.#roundTripMs) ? this.#roundTripMs : 0;
  }

  /** What is in the way of adding, if anything is. It is looked for again after a while. */
  recordCapabilities(blockedBy: Fault | undefined): void {
    this.capabilitiesKnown = blockedBy === undefined;
    this.blockedBy = blockedBy;
    this.isRemovalScanPending = true;
    this.#blockedCount = blockedBy === undefined ? 0 : this.#blockedCount + 1;
    if (blockedBy === undefined) return;
    this.#blockedUntilMs = this.#elapsedMs() + workBackoffMs(blockedBy, this.#blockedCount);
  }

  /** Something was in the way a short while ago. */
  isBlocked(): boolean {
    return this.blockedBy !== undefined && this.#elapsedMs() < this.#blockedUntilMs;
  }

  /** Why the work rests, or is half done; probes may be well all the same. */
  get workError(): string | null {
    return this.#error ?? this.blockedBy?.message ?? null;
  }

  /** How long the work rests on after a failure. */
  backoffMs(): number {
    return Math.max(0, this.#backoffUntilMs - this.#elapsedMs());
  }

  /** The work failed by the node's fault: it waits for a probe that is well, and some time. */
  recordFailure(fault: Fault): void {
    this.backoffCount += 1;
    this.#faults += 1;
    this.#backoffUntilMs = this.#elapsedMs() + workBackoffMs(fault, this.#faults);
    this.#error = fault.message;
    this.capabilitiesKnown = false;
    if (fault.kind !== 'transient') return;
    this.reachable = false;
    this.wasUnreachable = true;
  }

  recordSuccess(): void {
    this.#faults = 0;
    this.#error = null;
  }

  close(): void {
    this.#current?.api.close();
    this.#current = undefined;
    this.#roundTripMs = Number.POSITIVE_INFINITY;
    Object.assign(this, {
      ...{
        reachable: false,
        lastUptimeS: undefined,
        bootWindow: undefined,
        lastConnected: undefined,
      },
      ...{ capabilitiesKnown: false, blockedBy: undefined },
    });
  }
}
