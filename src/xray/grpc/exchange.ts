import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import { startTimer } from '../../kernel/timer.ts';
import type { CallOptions } from '../port.ts';
import { isOpen, type NodeConnection, type NodeConnections, sendRequest } from './connections.ts';
import type { MethodPath } from './contract.ts';
import {
  createNodeGarbageFault,
  createNodeLostFault,
  createNodeUnreachableFault,
  describeNonGrpc,
  type NodeRefusal,
  toCallEnd,
} from './status.ts';

// One gRPC call: a request, the pieces of a response, and a status, with a deadline and a signal.
// It uses Node's HTTP/2 instead of @grpc/grpc-js, for a third of the processor time. A long list is
// also read while it arrives (docs/benchmarks.md). Tests use a server of grpc-js or a real Xray.

/** The deadline of one call: enough for a distant node, and short for a waiting person. */
const callDeadlineMs = 5 * secondMs;

export interface CallRequest {
  readonly path: MethodPath;
  readonly message: Uint8Array;
  /** The only connection for this call. Default: the open one, or a new one. */
  readonly connection?: NodeConnection | undefined;
}

/** Receives the bytes of a response; may pause the stream. @throws Error if they are unreadable */
export type PieceReader = (bytes: Buffer, stream: ClientHttp2Stream) => void;

/** The result of a call that reached the node. */
export interface CallOutcome {
  readonly connection: NodeConnection;
  /** undefined: the node executed the call. */
  readonly refusal: NodeRefusal | undefined;
}

/**
 * @throws Fault node_unreachable, node_lost, node_deadline, node_cancelled, and those of `connect`
 */
export function exchange(
  connections: NodeConnections,
  request: CallRequest,
  { deadlineMs = callDeadlineMs, signal }: CallOptions,
  readPiece: PieceReader,
): Promise<CallOutcome> {
  const { api } = connections;
  return new Promise((resolve, reject) => {
    let stream: ClientHttp2Stream | undefined;
    let isFinished = false;
    const finish = (): boolean => {
      if (isFinished) return false;
      isFinished = true;
      clearTimeout(timer);
      removeListener?.();
      return true;
    };
    const fail = (fault: unknown): void => {
      if (!finish()) return;
      reject(fault);
      stream?.close(constants.NGHTTP2_CANCEL);
    };
    const onAbort = (): void => fail(createCancelledFault(api));
    let createLateFault = (): Fault =>
      createNodeUnreachableFault(api, `no connection within ${deadlineMs / secondMs} s`);
    // A monotonic timer: with a deadline as a time of day, a clock change would end all calls or
    // none.
    const timer = startTimer(() => fail(createLateFault()), deadlineMs);
    const start = (connection: NodeConnection): void => {
      if (isFinished) return;
      if (!isOpen(connection)) {
        fail(createNodeUnreachableFault(api, 'the connection broke'));
        return;
      }
      stream = sendRequest(connection, request.path, request.message);
      const { receivedCount: receivedBefore } = connection;
      createLateFault = () => {
        if (connection.receivedCount === receivedBefore)
          connections.destroySilent(connection, deadlineMs);
        return createDeadlineFault(api, deadlineMs);
      };
      readStream({ api, connection, stream, readPiece }, (end) => {
        if (!finish()) return;
        if (end instanceof Fault) reject(end);
        else resolve({ connection, refusal: end });
      });
    };
    const removeListener = signal === undefined ? undefined : listenForAbort(signal, onAbort);
    const connection = request.connection ?? connections.current;
    if (signal?.aborted === true) onAbort();
    else if (connection === undefined) connections.open().then(start, fail);
    else start(connection);
  });
}

interface AbortListeners {
  readonly listeners: Set<() => void>;
  readonly notify: () => void;
}

const listenersBySignal = new WeakMap<AbortSignal, AbortListeners>();

function getAbortListeners(signal: AbortSignal): AbortListeners {
  const existing = listenersBySignal.get(signal);
  if (existing !== undefined) return existing;
  const listeners = new Set<() => void>();
  const notify = (): void => {
    for (const listener of listeners) listener();
  };
  const created = { listeners, notify };
  listenersBySignal.set(signal, created);
  return created;
}

/** One listener for all calls of a signal. One listener per call took a tenth of the time. */
function listenForAbort(signal: AbortSignal, listener: () => void): () => void {
  const { listeners, notify } = getAbortListeners(signal);
  if (listeners.size === 0) signal.addEventListener('abort', notify);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    // A listener keeps a combined signal in memory.
    if (listeners.size === 0) signal.removeEventListener('abort', notify);
  };
}

interface StreamContext {
  readonly api: string;
  readonly connection: NodeConnection;
  readonly stream: ClientHttp2Stream;
  readonly readPiece: PieceReader;
}

/** @param onEnd called once with the fault; undefined: success */
function readStream(
  { api, connection, stream, readPiece }: StreamContext,
  onEnd: (end?: NodeRefusal | Fault) => void,
) {
  let head: IncomingHttpHeaders | undefined;
  let tail: IncomingHttpHeaders | undefined;
  let cause: Error | undefined;
  stream.on('response', (headers) => {
    connection.receivedCount += 1;
    head = headers;
  });
  stream.on('trailers', (headers) => {
    tail = headers;
  });
  stream.on('data', (bytes: Buffer) => {
    connection.receivedCount += 1;
    if (head === undefined || describeNonGrpc(head) !== undefined) return;
    try {
      readPiece(bytes, stream);
    } catch (error) {
      onEnd(createNodeGarbageFault(api, error));
      stream.close(constants.NGHTTP2_CANCEL);
    }
  });
  stream.on('error', (error) => {
    cause = error;
  });
  stream.on('close', () => {
    if (head !== undefined) onEnd(toCallEnd(api, head, tail, cause));
    // A separate fault, because only a call that was certainly not executed may be sent again
    // freely.
    else if (stream.pending || stream.rstCode === constants.NGHTTP2_REFUSED_STREAM)
      onEnd(
        createNodeUnreachableFault(api, cause?.message ?? 'the node accepts no more calls', cause),
      );
    else if (connection.silentMs !== undefined)
      onEnd(createDeadlineFault(api, connection.silentMs));
    else onEnd(createNodeLostFault(api, cause));
  });
}

function createCancelledFault(api: string): Fault {
  return new Fault('transient', 'node_cancelled', `${api}: the call was cancelled`);
}

function createDeadlineFault(api: string, deadlineMs: number): Fault {
  const sentence = `${api}: no answer within ${deadlineMs / secondMs} s`;
  return new Fault('transient', 'node_deadline', sentence);
}
