import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

// Nodes that are far away: `distance-run.ts MS ADDRESS …` tells a port for each address. Whatever is
// said there arrives half of that time later, and answers likewise. Nothing is slower for being
// much: bandwidth is unlimited.

const [, , roundTripMs, ...addresses] = process.argv as [string, string, string, ...string[]];
const oneWayMs = Number(roundTripMs) / 2;

/** In order, each as long after it came as any other. */
function carry(from: Socket, to: Socket): void {
  const later: { readonly dueMs: number; readonly go: () => void }[] = [];
  let waits = false;
  const wait = (ms: number): void => {
    waits = true;
    setTimeout(pass, ms);
  };
  const pass = (): void => {
    waits = false;
    const nowMs = performance.now();
    while (later[0] !== undefined && later[0].dueMs <= nowMs) later.shift()?.go();
    if (later[0] !== undefined) wait(Math.max(1, later[0].dueMs - nowMs));
  };
  const delay = (go: () => void): void => {
    later.push({ dueMs: performance.now() + oneWayMs, go });
    if (!waits) wait(oneWayMs);
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
  const server = createServer((near) => reach(near, connect(to)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function reach(near: Socket, far: Socket): void {
  for (const socket of [near, far]) {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  }
  carry(near, far);
  carry(far, near);
}

const servers = await Promise.all(addresses.map(open));
process.send?.(servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`));
await once(process, 'disconnect');
for (const server of servers) server.close();
for (const socket of sockets) socket.destroy();
