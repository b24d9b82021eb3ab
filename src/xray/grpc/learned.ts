import type { Inbound } from '../port.ts';
import type { Connection } from './connections.ts';

// What a node's inbounds are is remembered for as long as the connection lives on which it was
// read: a node that was restarted, perhaps with other inbounds, has broken it. An account of the
// wrong protocol kills a node (XRAY.md 0), so an add goes by nothing older, and out on that very
// connection.

export interface Known {
  readonly on: Connection;
  readonly byTag: ReadonlyMap<string, Inbound>;
}

export class Learned {
  #known: Known | undefined;

  /** @param on the connection on which it was read */
  keep(on: Connection, inbounds: readonly Inbound[]): void {
    this.#known = { on, byTag: new Map(inbounds.map((inbound) => [inbound.tag, inbound])) };
  }

  /** undefined: nothing is known on this connection. */
  known(on: Connection | undefined): Known | undefined {
    return this.#known?.on === on ? this.#known : undefined;
  }
}
