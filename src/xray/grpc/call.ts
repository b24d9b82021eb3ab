import protobuf from 'protobufjs/minimal.js';
import type { CallOptions } from '../port.ts';
import type { NodeConnection, NodeConnections } from './connections.ts';
import type { MethodPath } from './contract.ts';
import { exchange } from './exchange.ts';
import { answerMaxBytes, Deframer } from './framing.ts';
import { createNodeGarbageFault, type NodeRefusal, toCallFault } from './status.ts';

// Calls with one request message and one response message, like all calls of Xray. The response is
// decoded here, so that garbage gets its own fault.

export interface UnaryCall {
  readonly path: MethodPath;
  readonly request: Uint8Array;
  /** The limit of the response message in bytes; default: `answerMaxBytes`. */
  readonly maxBytes?: number;
  /** The tag of the inbound. */
  readonly tag?: string;
  /** Maps a refusal that counts as an answer, such as "already exists", to a value. */
  readonly isExpected?: (refusal: NodeRefusal) => boolean;
  /** The only connection for this call. */
  readonly connection?: NodeConnection;
}

export type CallResponse =
  | { readonly bytes: Buffer; readonly connection: NodeConnection }
  | { readonly expected: true };

/** @throws Fault */
export async function sendCall(
  connections: NodeConnections,
  call: UnaryCall,
  options: CallOptions,
): Promise<CallResponse> {
  const { api } = connections;
  const { path, request: message, tag, isExpected, connection, maxBytes = answerMaxBytes } = call;
  const deframer = new Deframer(maxBytes);
  const chunks: Buffer[] = [];
  const outcome = await exchange(connections, { path, message, connection }, options, (bytes) => {
    chunks.push(deframer.take(bytes));
  });
  const { refusal } = outcome;
  if (refusal === undefined) {
    requireEnd(api, deframer);
    return {
      bytes: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks),
      connection: outcome.connection,
    };
  }
  if (isExpected?.(refusal) === true) return { expected: true };
  throw toCallFault(refusal, { api, path, tag });
}

/**
 * The pieces of a response message, as they arrive. Only pending pieces are in memory. The deadline
 * covers the whole response and the caller's work between two pieces.
 * @throws Fault
 */
export async function* streamResponse(
  connections: NodeConnections,
  { path, request: message, tag, maxBytes = answerMaxBytes }: UnaryCall,
  { deadlineMs, signal }: CallOptions,
): AsyncGenerator<Buffer> {
  const { api } = connections;
  const deframer = new Deframer(maxBytes);
  const stopReading = new AbortController();
  const abortSignal =
    signal === undefined ? stopReading.signal : AbortSignal.any([signal, stopReading.signal]);
  const options = { signal: abortSignal, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
  let nextPiece = Promise.withResolvers<Buffer | undefined>();
  let resume = (): void => undefined;
  let ending: { readonly fault?: unknown } | undefined;
  const end = (result: { readonly fault?: unknown }): void => {
    ending = result;
    nextPiece.resolve(undefined);
  };
  const response = exchange(connections, { path, message }, options, (bytes, stream) => {
    stream.pause();
    resume = () => void stream.resume();
    nextPiece.resolve(deframer.take(bytes));
  });
  response.then(
    ({ refusal }) =>
      end(refusal === undefined ? {} : { fault: toCallFault(refusal, { api, path, tag }) }),
    (fault: unknown) => end({ fault }),
  );
  try {
    for (
      let piece = await nextPiece.promise;
      piece !== undefined;
      piece = await nextPiece.promise
    ) {
      yield piece;
      nextPiece = Promise.withResolvers();
      // The stream may have failed while no caller waited for a piece.
      if (ending !== undefined) break;
      resume();
    }
  } finally {
    stopReading.abort();
  }
  if (ending?.fault !== undefined) throw ending.fault;
  requireEnd(api, deframer);
}

function requireEnd(api: string, deframer: Deframer): void {
  try {
    deframer.end();
  } catch (cause) {
    throw createNodeGarbageFault(api, cause);
  }
}

type Decoder<Message> = { decode(reader: protobuf.Reader): Message };

/**
 * A reader that drops fields that wire.proto does not have. The default reader would keep their
 * bytes, and with them the private keys of an inbound's configuration.
 */
export function createReader(bytes: Uint8Array): protobuf.Reader {
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = true;
  return reader;
}

/** @throws Fault node_garbage */
export function decodeMessage<Message>(
  api: string,
  kind: Decoder<Message>,
  bytes: Uint8Array,
): Message {
  try {
    return kind.decode(createReader(bytes));
  } catch (cause) {
    throw createNodeGarbageFault(api, cause);
  }
}
