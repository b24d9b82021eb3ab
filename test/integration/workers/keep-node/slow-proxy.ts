import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

// A line to a node that takes its time, and breaks when it is told to: both ends are reset, and what
// was on its way is lost.

export interface SlowProxy extends AsyncDisposable {
  /** Where the node is reached through it. */
  readonly api: string;
  disconnect(): void;
}

/** @param api of the node, `host:port` */
export async function startSlowProxy(api: string, oneWayMs: number): Promise<SlowProxy> {
  const { hostname: host, port } = new URL(`tcp://${api}`);
  const sockets = new Set<Socket>();
  const forward = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.setNoDelay(true);
    // Timers of one length go off in order.
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
