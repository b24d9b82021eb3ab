import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

// A node that is far away: whatever is said to the port that this process tells arrives at
// `distance-run.ts ADDRESS MS` half of that time later, and answers likewise. Nothing is slower for
// being much: bandwidth is unlimited.

const [, , address, roundTripMs] = process.argv as [string, string, string, string];
const [host, port] = [address.slice(0, address.lastIndexOf(':')), address.split(':').at(-1)];
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
const server = createServer((near) => {
  const far = connect({ host, port: Number(port) });
  for (const socket of [near, far]) {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  }
  carry(near, far);
  carry(far, near);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const bound = server.address();
process.send?.(`127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`);
await once(process, 'disconnect');
server.close();
for (const socket of sockets) socket.destroy();
