import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

// A proxy that simulates distant nodes: `distance-run.ts MS ADDRESS …` sends a port for each
// address. It delays each direction by half of MS. Bandwidth is unlimited, so large data is not
// slower.

const [, , roundTripMs, ...addresses] = process.argv as [string, string, string, ...string[]];
const oneWayMs = Number(roundTripMs) / 2;

/** Forwards chunks in their order, each after the same delay. */
function forward(from: Socket, to: Socket): void {
  const queue: { readonly dueMs: number; readonly go: () => void }[] = [];
  let isWaiting = false;
  const schedule = (ms: number): void => {
    isWaiting = true;
    setTimeout(flush, ms);
  };
  const flush = (): void => {
    isWaiting = false;
    const nowMs = performance.now();
    while (queue[0] !== undefined && queue[0].dueMs <= nowMs) queue.shift()?.go();
    if (queue[0] !== undefined) schedule(Math.max(1, queue[0].dueMs - nowMs));
  };
  const delay = (go: () => void): void => {
    queue.push({ dueMs: performance.now() + oneWayMs, go });
    if (!isWaiting) schedule(oneWayMs);
  };
  from.setNoDelay(true);
  from.on('data', (bytes) => delay(() => void to.write(bytes)));
  from.on('end', () => delay(() => void to.end()));
  from.on('error', () => to.destroy());
  from.on('close', () => delay(() => to.destroy()));
}

const sockets = new Set<Socket>();

async function open(address: string) {
  const colon = address.lastIndexOf(':');
  const to = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
  const server = createServer((near) => connectPair(near, connect(to)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function connectPair(near: Socket, far: Socket): void {
  for (const socket of [near, far]) {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  }
  forward(near, far);
  forward(far, near);
}

const servers = await Promise.all(addresses.map(open));
process.send?.(servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`));
await once(process, 'disconnect');
for (const server of servers) server.close();
for (const socket of sockets) socket.destroy();
