import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Server, ServerCredentials } from '@grpc/grpc-js';
import { Fault } from '../../kernel/faults.ts';

// The listener of the embedded node. It uses plain sockets, because a killed process sends nothing,
// and every way to end a gRPC server sends a frame.

export interface TcpListener {
  /** The address, with the actual port. */
  readonly address: string;
  /** Closes at once: open connections break, new ones are refused. */
  abort(): void;
}

/** @param address `host:port`, `[ipv6]:port` or `unix:/path`; port 0 takes a free port */
export async function openTcpListener(
  address: string,
  server: Server,
  credentials: ServerCredentials,
): Promise<TcpListener> {
  const injector = server.createConnectionInjector(credentials);
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // A connection that the client resets is closed. No log is needed.
    socket.on('error', () => socket.destroy());
    injector.injectConnection(socket);
  });
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  try {
    listener.listen(
      path === undefined ? { host, port: Number(address.slice(colon + 1)) } : { path },
    );
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
        : `${address.slice(0, colon)}:${bound.port}`,
    abort() {
      listener.close();
      for (const socket of sockets) socket.destroy();
      server.forceShutdown();
    },
  };
}
