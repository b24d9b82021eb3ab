import { type ClientHttp2Stream, constants } from 'node:http2';
import {
  checkNodeAddress,
  destroySession,
  type NodeAddress,
  type NodeSession,
  openSession,
} from './connect.ts';
import { frameMessage } from './framing.ts';

// The connections of one client.
//
// 1. A client has one connection at a time. The first call opens it, and the first call after a
//    break opens the next one.
// 2. No call is repeated, and no call is sent on another connection than its own.
// 3. There are no pings: a node closes a connection with more than one ping in 5 minutes.

/** One connection. */
export interface NodeConnection extends NodeSession {
  /** The number of header blocks and data pieces that arrived. */
  receivedCount: number;
  /** The deadline after which this connection was destroyed, if a call had no answer at all. */
  silentMs: number | undefined;
}

export class NodeConnections {
  readonly #address: NodeAddress;
  #current: NodeConnection | undefined;
  #opening: Promise<NodeConnection> | undefined;
  #closed = false;
  /** The number of opened connections. */
  openedCount = 0;

  /** Sends nothing. @throws Fault bad_address, node_certificate */
  constructor(address: NodeAddress) {
    checkNodeAddress(address);
    this.#address = address;
  }

  get api(): string {
    return this.#address.api;
  }

  /** The open connection. */
  get current(): NodeConnection | undefined {
    if (this.#current !== undefined && !isOpen(this.#current)) this.#current = undefined;
    return this.#current;
  }

  /** Opens a connection, once for all concurrent callers. @throws Fault */
  open(): Promise<NodeConnection> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<NodeConnection> {
    const opened = await openSession(this.#address);
    const connection: NodeConnection = { ...opened, receivedCount: 0, silentMs: undefined };
    if (this.#closed) destroySession(connection);
    this.openedCount += 1;
    this.#current = connection;
    return connection;
  }

  /**
   * Destroys a connection on which a call got no answer within its deadline, and no other call got
   * one meanwhile. All pending calls fail with this deadline. A graceful close would wait for the
   * node. A silent node never answers, so each attempt would leave an open socket.
   */
  destroySilent(connection: NodeConnection, silentMs: number): void {
    if (this.#current === connection) this.#current = undefined;
    if (!isOpen(connection)) return;
    connection.silentMs = silentMs;
    destroySession(connection);
  }

  /** Pending calls are lost. */
  close(): void {
    this.#closed = true;
    if (this.#current !== undefined) destroySession(this.#current);
    this.#current = undefined;
  }
}

export function isOpen({ session }: NodeConnection): boolean {
  return !session.closed && !session.destroyed;
}

const headers = {
  [constants.HTTP2_HEADER_METHOD]: 'POST',
  [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
  [constants.HTTP2_HEADER_TE]: 'trailers',
};

/** Sends the only message of a request. */
export function sendRequest(
  { session }: NodeConnection,
  path: string,
  message: Uint8Array,
): ClientHttp2Stream {
  const stream = session.request({ ...headers, [constants.HTTP2_HEADER_PATH]: path });
  stream.end(frameMessage(message));
  return stream;
}
