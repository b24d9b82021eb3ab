import type { Inbound } from '../port.ts';
import type { Connection } from './connections.ts';

// A cache of the inbounds of a node. It is valid for the connection on which they were read, because
// a restart breaks that connection. An account of the wrong protocol crashes a node. So an add uses
// only this cache, and is sent on the same connection.

export interface Known {
  readonly on: Connection;
  readonly byTag: ReadonlyMap<string, Inbound>;
}

export class Learned {
  #known: Known | undefined;

  /** @param on the connection of the read */
  keep(on: Connection, inbounds: readonly Inbound[]): void {
    this.#known = { on, byTag: new Map(inbounds.map((inbound) => [inbound.tag, inbound])) };
  }

  /** undefined: nothing was read on this connection. */
  known(on: Connection | undefined): Known | undefined {
    return this.#known?.on === on ? this.#known : undefined;
  }
}
