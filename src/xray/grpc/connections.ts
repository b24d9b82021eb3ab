import { type ClientHttp2Stream, constants } from 'node:http2';
import { connect, destroy, mustConnect, type NodeAddress, type NodeSession } from './connect.ts';
import { framed } from './framing.ts';

// The connections of one client.
//
// 1. A client has one connection at a time. The first call opens it, and the first call after a break
//    opens the next one.
// 2. No call is repeated, and no call is sent on another connection than its own.
// 3. There are no pings: a node closes a connection with more than one ping in 5 minutes.

/** One connection. */
export interface Connection extends NodeSession {
  /** The number of header blocks and data pieces that arrived. */
  heard: number;
  /** The deadline after which this connection was destroyed, if a call had no answer at all. */
  silentMs: number | undefined;
}

export class Connections {
  readonly #address: NodeAddress;
  #present: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  #closed = false;
  /** The number of opened connections. */
  opened = 0;

  /** Sends nothing. @throws Fault bad_address, node_certificate */
  constructor(address: NodeAddress) {
    mustConnect(address);
    this.#address = address;
  }

  get api(): string {
    return this.#address.api;
  }

  /** The open connection. */
  get present(): Connection | undefined {
    if (this.#present !== undefined && !stands(this.#present)) this.#present = undefined;
    return this.#present;
  }

  /** Opens a connection, once for all concurrent callers. @throws Fault */
  open(): Promise<Connection> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<Connection> {
    const opened = await connect(this.#address);
    const connection: Connection = { ...opened, heard: 0, silentMs: undefined };
    if (this.#closed) destroy(connection);
    this.opened += 1;
    this.#present = connection;
    return connection;
  }

  /**
   * Destroys a connection on which a call got no answer within its deadline, and no other call got
   * one meanwhile. All pending calls fail with this deadline. A graceful close would wait for the
   * node. A silent node never answers, so each attempt would leave an open socket.
   */
  giveUp(connection: Connection, silentMs: number): void {
    if (this.#present === connection) this.#present = undefined;
    if (!stands(connection)) return;
    connection.silentMs = silentMs;
    destroy(connection);
  }

  /** Pending calls are lost. */
  close(): void {
    this.#closed = true;
    if (this.#present !== undefined) destroy(this.#present);
    this.#present = undefined;
  }
}

export function stands({ session }: Connection): boolean {
  return !session.closed && !session.destroyed;
}

const headers = {
  [constants.HTTP2_HEADER_METHOD]: 'POST',
  [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
  [constants.HTTP2_HEADER_TE]: 'trailers',
};

/** Sends the only message of a request. */
export function send(
  { session }: Connection,
  path: string,
  message: Uint8Array,
): ClientHttp2Stream {
  const stream = session.request({ ...headers, [constants.HTTP2_HEADER_PATH]: path });
  stream.end(framed(message));
  return stream;
}
