import { type Client, connectivityState } from '@grpc/grpc-js';
import type { Inbound } from '../port.ts';

// What a node's inbounds are is remembered for as long as the connection lives on which it was
// read: a node that was restarted, perhaps with other inbounds, has broken it. An account of the
// wrong protocol kills a node (XRAY.md 0), so an add goes by nothing older.

export interface Learned {
  /** Keeps what was just read, if the connection on which it was read still stands. */
  keep(inbounds: readonly Inbound[]): void;
  /** undefined: nothing is known on this connection. */
  known(): ReadonlyMap<string, Inbound> | undefined;
}

export function learned(client: Client): Learned {
  let byTag: ReadonlyMap<string, Inbound> | undefined;
  let watched = false;
  const channel = client.getChannel();
  const watch = (): void => {
    if (watched) return;
    watched = true;
    const lost = (): void => {
      watched = false;
      byTag = undefined;
    };
    channel.watchConnectivityState(connectivityState.READY, Number.POSITIVE_INFINITY, lost);
  };
  return {
    keep(inbounds) {
      if (channel.getConnectivityState(false) !== connectivityState.READY) return;
      byTag = new Map(inbounds.map((inbound) => [inbound.tag, inbound]));
      watch();
    },
    known: () => byTag,
  };
}
