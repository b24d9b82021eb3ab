import { type ClientHttp2Stream, constants } from 'node:http2';
import { connect, destroy, mustConnect, type NodeAddress, type NodeSession } from './connect.ts';
import { framed } from './framing.ts';

// The connections of one client, of which one stands at a time: opened with the first call, and
// anew with the first one after it broke. No call is ever repeated, and none goes out on another
// connection than it was meant for. There are no pings: those that come more often than every 5
// minutes get a connection closed (XRAY.md 2).

/** One connection, for as long as it stands. */
export interface Connection extends NodeSession {
  /** How many heads and pieces of answers have arrived on it. */
  heard: number;
  /** The deadline after which this connection was destroyed, if a call had no answer at all. */
  silentMs: number | undefined;
}

export class Connections {
  readonly #address: NodeAddress;
  #present: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  #closed = false;
  /** How many were opened. */
  opened = 0;

  /** Nothing is sent yet. @throws Fault bad_address, node_certificate */
  constructor(address: NodeAddress) {
    mustConnect(address);
    this.#address = address;
  }

  get api(): string {
    return this.#address.api;
  }

  /** The one that stands. */
  get present(): Connection | undefined {
    if (this.#present !== undefined && !stands(this.#present)) this.#present = undefined;
    return this.#present;
  }

  /** Opens one, once for all who want one now. @throws Fault */
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
   * Destroys a connection on which a call had no answer within its deadline, and no other call had
   * one meanwhile. All calls under way there fail with this deadline. A graceful close would wait
   * for the node, and a silent node never answers: each attempt would leave a socket open.
   */
  giveUp(connection: Connection, silentMs: number): void {
    if (this.#present === connection) this.#present = undefined;
    if (!stands(connection)) return;
    connection.silentMs = silentMs;
    destroy(connection);
  }

  /** Calls that are under way are lost. */
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

/** Sends a request's only message. */
export function send(
  { session }: Connection,
  path: string,
  message: Uint8Array,
): ClientHttp2Stream {
  const stream = session.request({ ...headers, [constants.HTTP2_HEADER_PATH]: path });
  stream.end(framed(message));
  return stream;
}
