import { once } from 'node:events';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';

// Nodes that break the protocol or send too much. None of them ever closes a connection.

export interface HostileNode extends Disposable {
  readonly api: string;
  /** Connections that were accepted. */
  countAccepted(): number;
  /** Connections that the other side has not destroyed yet. */
  countOpen(): number;
}

/** A frame of stream 0 in HTTP/2. */
function createFrame(type: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  return Buffer.concat([head, payload]);
}

export const settingsFrame = createFrame(4);
export const pingFrame = createFrame(6, Buffer.alloc(8));

async function startListening(server: Server, sockets: Set<Socket>): Promise<HostileNode> {
  let accepted = 0;
  server.on('connection', (socket: Socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    // The other side has sent its last byte. If it has destroyed the socket, a write causes a
    // reset. If it only waits for our end, the socket stays.
    socket.on('end', () => socket.write(pingFrame, () => socket.write(pingFrame)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    api: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    countAccepted: () => accepted,
    countOpen: () => sockets.size,
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** Accepts HTTP/2 and then sends `then`, once or repeatedly. */
export async function startSilentNode(then?: Buffer): Promise<HostileNode> {
  const sockets = new Set<Socket>();
  const server = createTcp({ allowHalfOpen: true }, (socket) => {
    socket.write(settingsFrame);
    socket.on('data', () => undefined);
    if (then === undefined) return;
    const flood = (): void => {
      while (!socket.destroyed && socket.write(then));
      socket.once('drain', flood);
    };
    flood();
  });
  return startListening(server, sockets);
}

/** Answers each call with these bytes, without an end. */
export async function startEndlessNode(
  serve: (stream: ServerHttp2Stream, path: string) => void,
): Promise<HostileNode> {
  const server = createHttp2();
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    serve(stream, headers[':path'] ?? '');
  });
  server.on('sessionError', () => undefined);
  return startListening(server as never, new Set());
}

export const grpcHead = { ':status': 200, 'content-type': 'application/grpc' };

/** Writes as fast as the other side reads. */
export function writeEndlessly(stream: ServerHttp2Stream, piece: Buffer): void {
  const more = (): void => {
    while (!stream.destroyed && !stream.closed && stream.write(piece));
    stream.once('drain', more);
  };
  more();
}
