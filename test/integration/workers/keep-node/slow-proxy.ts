import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

// A proxy to a node with latency. A test can break its connections: both ends are reset, and
// pending bytes are lost.

export interface SlowProxy extends AsyncDisposable {
  /** The address of the node through the proxy. */
  readonly api: string;
  disconnect(): void;
}

/** @param api the node, `host:port` */
export async function startSlowProxy(api: string, oneWayMs: number): Promise<SlowProxy> {
  const { hostname: host, port } = new URL(`tcp://${api}`);
  const sockets = new Set<Socket>();
  const forward = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.setNoDelay(true);
    // Timers with the same delay fire in order.
    from.on('data', (bytes) => setTimeout(() => to.write(bytes), oneWayMs));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    forward(near, far);
    forward(far, near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const disconnect = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    api: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    disconnect,
    async [Symbol.asyncDispose]() {
      disconnect();
      server.close();
      await once(server, 'close');
    },
  };
}
