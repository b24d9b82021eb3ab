import protobuf from 'protobufjs/minimal.js';
import type { Patience } from '../port.ts';
import type { Connection, Connections } from './connections.ts';
import type { Path } from './contract.ts';
import { exchange } from './exchange.ts';
import { answerMaxBytes, Deframer } from './framing.ts';
import { faultOf, garbage, type Refusal } from './status.ts';

// Calls with one request message and one response message, like all calls of Xray. The response is
// decoded here, so that garbage gets a fault of its own.

export interface Call {
  readonly path: Path;
  readonly request: Uint8Array;
  /** The limit of the response message in bytes; default: `answerMaxBytes`. */
  readonly maxBytes?: number;
  /** The tag of the inbound. */
  readonly tag?: string;
  /** Maps a refusal that counts as an answer, such as "already exists", to a value. */
  readonly expects?: (refusal: Refusal) => boolean;
  /** The only connection for this call. */
  readonly on?: Connection;
}

export type Answer =
  | { readonly bytes: Buffer; readonly on: Connection }
  | { readonly expected: true };

/** @throws Fault */
export async function ask(
  connections: Connections,
  call: Call,
  patience: Patience,
): Promise<Answer> {
  const { api } = connections;
  const { path, request: message, tag, expects, on, maxBytes = answerMaxBytes } = call;
  const deframer = new Deframer(maxBytes);
  const pieces: Buffer[] = [];
  const ended = await exchange(connections, { path, message, on }, patience, (bytes) => {
    pieces.push(deframer.take(bytes));
  });
  const { refusal } = ended;
  if (refusal === undefined) {
    mustEnd(api, deframer);
    return {
      bytes: pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces),
      on: ended.on,
    };
  }
  if (expects?.(refusal) === true) return { expected: true };
  throw faultOf(refusal, { api, path, tag });
}

/**
 * The pieces of a response message, as they arrive. Only pending pieces are in memory. The deadline
 * covers the whole response and the caller's work between two pieces.
 * @throws Fault
 */
export async function* pieces(
  connections: Connections,
  { path, request: message, tag, maxBytes = answerMaxBytes }: Call,
  { deadlineMs, signal }: Patience,
): AsyncGenerator<Buffer> {
  const { api } = connections;
  const deframer = new Deframer(maxBytes);
  const left = new AbortController();
  const until = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  const patience = { signal: until, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
  let came = Promise.withResolvers<Buffer | undefined>();
  let go = (): void => undefined;
  let over: { readonly fault?: unknown } | undefined;
  const end = (how: { readonly fault?: unknown }): void => {
    over = how;
    came.resolve(undefined);
  };
  const whole = exchange(connections, { path, message }, patience, (bytes, stream) => {
    stream.pause();
    go = () => void stream.resume();
    came.resolve(deframer.take(bytes));
  });
  whole.then(
    ({ refusal }) =>
      end(refusal === undefined ? {} : { fault: faultOf(refusal, { api, path, tag }) }),
    (fault: unknown) => end({ fault }),
  );
  try {
    for (let piece = await came.promise; piece !== undefined; piece = await came.promise) {
      yield piece;
      came = Promise.withResolvers();
      // The stream may have failed while no caller waited for a piece.
      if (over !== undefined) break;
      go();
    }
  } finally {
    left.abort();
  }
  if (over?.fault !== undefined) throw over.fault;
  mustEnd(api, deframer);
}

function mustEnd(api: string, deframer: Deframer): void {
  try {
    deframer.end();
  } catch (cause) {
    throw garbage(api, cause);
  }
}

type Decoder<Message> = { decode(reader: protobuf.Reader): Message };

/**
 * A reader that drops fields that wire.proto does not have. The default reader would keep their bytes,
 * and with them the private keys of an inbound's configuration.
 */
export function readerOf(bytes: Uint8Array): protobuf.Reader {
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = true;
  return reader;
}

/** @throws Fault node_garbage */
export function decoded<Message>(api: string, kind: Decoder<Message>, bytes: Uint8Array): Message {
  try {
    return kind.decode(readerOf(bytes));
  } catch (cause) {
    throw garbage(api, cause);
  }
}
