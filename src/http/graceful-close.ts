import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

// Closes the connections of the API: a connection with a request after its answer, all others at
// once. Node's own method leaves connections open on which nothing arrived yet. Browsers and
// balancers open such connections in advance, and they delayed the end by a minute.

/** The socket below TLS, which plain connections also have. */
const toSocketKey = ({ remoteAddress, remotePort }: Socket): string =>
  `${remoteAddress} ${remotePort}`;

export function closeConnections(server: FastifyInstance): void {
  const open = new Map<string, Socket>();
  const pendingResponses = new Map<string, number>();
  let isClosing = false;
  server.server.on('connection', (socket: Socket) => {
    const key = toSocketKey(socket);
    open.set(key, socket);
    socket.once('close', () => open.delete(key));
  });
  server.server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const key = toSocketKey(socket);
    pendingResponses.set(key, (pendingResponses.get(key) ?? 0) + 1);
    response.once('close', () => {
      const remaining = (pendingResponses.get(key) ?? 0) - 1;
      if (remaining > 0) pendingResponses.set(key, remaining);
      else pendingResponses.delete(key);
    });
  });
  server.addHook('preClose', async () => {
    isClosing = true;
    for (const [key, socket] of open) if (!pendingResponses.has(key)) socket.destroy();
  });
  server.addHook('onSend', async (_, reply) => {
    if (isClosing) void reply.header('connection', 'close');
  });
}
