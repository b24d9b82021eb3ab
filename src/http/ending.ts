import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

// How the API's connections end with the service: those on which a request is being answered after
// its answer, all others at once. Node's own way to close those that are idle leaves out one on
// which nothing came yet, as browsers and balancers open them ahead: it held up the end for a minute.

/** Of TLS the one below it: what both have in common. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

export function endConnections(server: FastifyInstance): void {
  const open = new Map<string, Socket>();
  const answering = new Map<string, number>();
  let isClosing = false;
  server.server.on('connection', (socket: Socket) => {
    const name = nameOf(socket);
    open.set(name, socket);
    socket.once('close', () => open.delete(name));
  });
  server.server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const name = nameOf(socket);
    answering.set(name, (answering.get(name) ?? 0) + 1);
    response.once('close', () => {
      const left = (answering.get(name) ?? 0) - 1;
      if (left > 0) answering.set(name, left);
      else answering.delete(name);
    });
  });
  server.addHook('preClose', async () => {
    isClosing = true;
    for (const [name, socket] of open) if (!answering.has(name)) socket.destroy();
  });
  server.addHook('onSend', async (_, reply) => {
    if (isClosing) void reply.header('connection', 'close');
  });
}
