import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Server, ServerCredentials } from '@grpc/grpc-js';
import { Fault } from '../../kernel/faults.ts';

// Where the embedded node listens. The sockets are ours and not gRPC's: a process that dies sends
// no farewell, and gRPC's own ways to end a server all do.

export interface Door {
  /** The address, with the port that it got. */
  readonly address: string;
  /** Shuts at once: what is open breaks, what comes is refused. */
  slam(): void;
}

/** @param address `host:port`, `[ipv6]:port` or `unix:/path`; port 0 takes any that is free */
export async function openDoor(
  address: string,
  grpc: Server,
  credentials: ServerCredentials,
): Promise<Door> {
  const injector = grpc.createConnectionInjector(credentials);
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // One that the other side resets is closed; there is nobody to tell.
    socket.on('error', () => socket.destroy());
    injector.injectConnection(socket);
  });
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  const cut = address.lastIndexOf(':');
  const host = address.slice(0, cut).replace(/^\[(.*)\]$/, '$1');
  try {
    listener.listen(path === undefined ? { host, port: Number(address.slice(cut + 1)) } : { path });
    await once(listener, 'listening');
  } catch (cause) {
    const sentence = `the embedded node can't listen on ${address} (${(cause as Error).message})`;
    throw new Fault('permanent', 'bad_address', sentence, cause);
  }
  const bound = listener.address();
  return {
    address:
      bound === null || typeof bound === 'string'
        ? address
        : `${address.slice(0, cut)}:${bound.port}`,
    slam() {
      listener.close();
      for (const socket of sockets) socket.destroy();
      grpc.forceShutdown();
    },
  };
}
