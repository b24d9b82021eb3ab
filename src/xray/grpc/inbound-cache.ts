import type { Inbound } from '../port.ts';
import type { NodeConnection } from './connections.ts';

// A cache of the inbounds of a node. It is valid for the connection on which they were read,
// because a restart breaks that connection. An account of the wrong protocol crashes a node. So an
// add uses only this cache, and is sent on the same connection.

export interface CachedInbounds {
  readonly connection: NodeConnection;
  readonly byTag: ReadonlyMap<string, Inbound>;
}

export class InboundCache {
  #cached: CachedInbounds | undefined;

  /** @param connection the connection of the read */
  store(connection: NodeConnection, inbounds: readonly Inbound[]): void {
    this.#cached = {
      connection,
      byTag: new Map(inbounds.map((inbound) => [inbound.tag, inbound])),
    };
  }

  /** undefined: nothing was read on this connection. */
  find(connection: NodeConnection | undefined): CachedInbounds | undefined {
    return this.#cached?.connection === connection ? this.#cached : undefined;
  }
}
