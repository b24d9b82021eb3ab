import { stopwatch } from '../../kernel/stopwatch.ts';
import type { NodeAddress } from '../../xray/grpc/connect.ts';
import type { NodeApi } from '../../xray/port.ts';
import {
  type ConnectionEvent,
  type ConnectionState,
  getPauseMs,
  initialState,
  transition,
} from './connection-state.ts';
import { Recount, UserChanges } from './user-counts.ts';

// The connection of a keeper to its node, with the state of `connection-state.ts`.

export type Connect = (address: NodeAddress) => NodeApi;

/** A connection to one address, and the user counts of it. */
export interface OpenConnection {
  readonly key: string;
  readonly address: Required<NodeAddress>;
  readonly api: NodeApi;
  /** The users that the calls on this connection added and removed. */
  readonly changes: UserChanges;
  /** The last counts of users on this connection. */
  readonly recount: Recount;
}

export class KeeperConnection {
  readonly #connect: Connect;
  readonly #elapsedMs: () => number;
  #open: OpenConnection | undefined;
  /** The shortest round trip on this connection. */
  #roundTripMs: number | undefined;
  #state: ConnectionState = initialState;

  /** @param elapsedMs a clock that only goes forward, also while the process is stopped; ms */
  constructor(connect: Connect, elapsedMs = stopwatch()) {
    this.#connect = connect;
    this.#elapsedMs = elapsedMs;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The only way to another state. */
  receive(event: ConnectionEvent): void {
    this.#state = transition(this.#state, event, this.nowMs());
  }

  /** @returns the time of the clock that all times of the state are given in */
  nowMs(): number {
    return this.#elapsedMs();
  }

  /**
   * Connects to an address that differs from the last one.
   * @throws Fault bad_address, node_certificate
   */
  to({ api, tls }: Required<NodeAddress>): OpenConnection {
    const key = JSON.stringify([api, tls]);
    if (this.#open?.key === key) return this.#open;
    this.close();
    const address = { api, tls };
    const changes = new UserChanges();
    this.#open = {
      ...{ key, address, changes },
      api: changes.wrap(this.#connect(address)),
      recount: new Recount(),
    };
    return this.#open;
  }

  get api(): NodeApi | undefined {
    return this.#open?.api;
  }

  isConnectedTo(api: string): boolean {
    return this.#open?.address.api === api;
  }

  /** Keeps the shortest round trip, because the others include waiting time. */
  recordRoundTrip(ms: number): void {
    this.#roundTripMs = Math.min(this.#roundTripMs ?? ms, ms);
  }

  /** @returns 0 before the first answer */
  get roundTripMs(): number {
    return this.#roundTripMs ?? 0;
  }

  /** @returns how long the work pauses after a failure, in ms */
  getPauseMs(): number {
    return getPauseMs(this.#state, this.nowMs());
  }

  close(): void {
    this.#open?.api.close();
    this.#open = undefined;
    this.#roundTripMs = undefined;
    this.receive({ is: 'disconnected' });
  }
}
