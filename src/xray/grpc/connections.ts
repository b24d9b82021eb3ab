import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2';
import { connect, mustConnect, type NodeAddress } from './connect.ts';
import { framed } from './framing.ts';

// The connections of one client, of which one stands at a time: opened with the first call, and
// anew with the first one after it broke. No call is ever repeated, and none goes out on another
// connection than it was meant for. There are no pings: those that come more often than every 5
// minutes get a connection closed (XRAY.md 2).

/** One connection, for as long as it stands. */
export interface Connection {
  readonly session: ClientHttp2Session;
  /** How many answers have begun on it. */
  heard: number;
}

export class Connections {
  readonly #address: NodeAddress;
  #present: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  /** No new call goes there; those under way end first. */
  readonly #retired = new Set<Connection>();
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
    const connection = { session: await connect(this.#address), heard: 0 };
    if (this.#closed) connection.session.destroy();
    this.opened += 1;
    this.#present = connection;
    return connection;
  }

  /** Of one on which nothing is heard any more, as when a router on the way has forgotten it. */
  retire(connection: Connection): void {
    if (this.#present === connection) this.#present = undefined;
    if (!stands(connection)) return;
    this.#retired.add(connection);
    connection.session.once('close', () => this.#retired.delete(connection));
    connection.session.close();
  }

  /** Calls that are under way are lost. */
  close(): void {
    this.#closed = true;
    for (const { session } of this.#retired) session.destroy();
    this.#present?.session.destroy();
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
