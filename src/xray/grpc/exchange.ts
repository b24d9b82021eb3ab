import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import { startTimer } from '../../kernel/timer.ts';
import type { Patience } from '../port.ts';
import { type Connection, type Connections, send, stands } from './connections.ts';
import type { Path } from './contract.ts';
import { brokenOff, garbage, neverLeft, type Refusal, strangeness, verdict } from './status.ts';

// One gRPC call: a request, the pieces of a response, and a status, with a deadline and a signal. It
// uses Node's HTTP/2 instead of @grpc/grpc-js, for a third of the processor time. A long list is
// also read while it arrives (docs/benchmarks.md). Tests use a server of grpc-js or a real Xray.

/** The deadline of one call: enough for a distant node, and short for a waiting person. */
export const callDeadlineMs = 5 * secondMs;

export interface Request {
  readonly path: Path;
  readonly message: Uint8Array;
  /** The only connection for this call. Default: the open one, or a new one. */
  readonly on?: Connection | undefined;
}

/** Receives the bytes of a response; may pause the stream. @throws Error if they are unreadable */
export type Hear = (bytes: Buffer, stream: ClientHttp2Stream) => void;

/** The result of a call that reached the node. */
export interface Ended {
  readonly on: Connection;
  /** undefined: the node executed the call. */
  readonly refusal: Refusal | undefined;
}

/** @throws Fault node_unreachable, node_lost, node_deadline, node_cancelled, and those of `connect` */
export function exchange(
  connections: Connections,
  request: Request,
  { deadlineMs = callDeadlineMs, signal }: Patience,
  hear: Hear,
): Promise<Ended> {
  const { api } = connections;
  return new Promise((resolve, reject) => {
    let stream: ClientHttp2Stream | undefined;
    let isOver = false;
    const over = (): boolean => {
      if (isOver) return false;
      isOver = true;
      clearTimeout(timer);
      forget?.();
      return true;
    };
    const giveUp = (fault: unknown): void => {
      if (!over()) return;
      reject(fault);
      stream?.close(constants.NGHTTP2_CANCEL);
    };
    const onAbort = (): void => giveUp(cancelled(api));
    let onLate = (): Fault => neverLeft(api, `no connection within ${deadlineMs / secondMs} s`);
    // A monotonic timer: with a deadline as a time of day, a clock change would end all calls or none.
    const timer = startTimer(() => giveUp(onLate()), deadlineMs);
    const begin = (on: Connection): void => {
      if (isOver) return;
      if (!stands(on)) {
        giveUp(neverLeft(api, 'the connection has broken'));
        return;
      }
      stream = send(on, request.path, request.message);
      const { heard } = on;
      onLate = () => {
        if (on.heard === heard) connections.giveUp(on, deadlineMs);
        return tooLate(api, deadlineMs);
      };
      attend({ api, on, stream, hear }, (end) => {
        if (!over()) return;
        if (end instanceof Fault) reject(end);
        else resolve({ on, refusal: end });
      });
    };
    const forget = signal === undefined ? undefined : whenAborted(signal, onAbort);
    const on = request.on ?? connections.present;
    if (signal?.aborted === true) onAbort();
    else if (on === undefined) connections.open().then(begin, giveUp);
    else begin(on);
  });
}

interface Heeded {
  readonly acts: Set<() => void>;
  readonly tell: () => void;
}

const heeded = new WeakMap<AbortSignal, Heeded>();

function heed(signal: AbortSignal): Heeded {
  const known = heeded.get(signal);
  if (known !== undefined) return known;
  const acts = new Set<() => void>();
  const tell = (): void => {
    for (const act of acts) act();
  };
  const fresh = { acts, tell };
  heeded.set(signal, fresh);
  return fresh;
}

/** One listener for all calls of a signal. One listener per call took a tenth of the time. */
function whenAborted(signal: AbortSignal, act: () => void): () => void {
  const { acts, tell } = heed(signal);
  if (acts.size === 0) signal.addEventListener('abort', tell);
  acts.add(act);
  return () => {
    acts.delete(act);
    // A listener keeps a combined signal in memory.
    if (acts.size === 0) signal.removeEventListener('abort', tell);
  };
}

interface Attended {
  readonly api: string;
  readonly on: Connection;
  readonly stream: ClientHttp2Stream;
  readonly hear: Hear;
}

/** @param ended called once with the fault; undefined: success */
function attend({ api, on, stream, hear }: Attended, ended: (end?: Refusal | Fault) => void) {
  let head: IncomingHttpHeaders | undefined;
  let tail: IncomingHttpHeaders | undefined;
  let cause: Error | undefined;
  stream.on('response', (headers) => {
    on.heard += 1;
    head = headers;
  });
  stream.on('trailers', (headers) => {
    tail = headers;
  });
  stream.on('data', (bytes: Buffer) => {
    on.heard += 1;
    if (head === undefined || strangeness(head) !== undefined) return;
    try {
      hear(bytes, stream);
    } catch (error) {
      ended(garbage(api, error));
      stream.close(constants.NGHTTP2_CANCEL);
    }
  });
  stream.on('error', (error) => {
    cause = error;
  });
  stream.on('close', () => {
    if (head !== undefined) ended(verdict(api, head, tail, cause));
    // A separate fault, because only a call that was certainly not executed may be sent again freely.
    else if (stream.pending || stream.rstCode === constants.NGHTTP2_REFUSED_STREAM)
      ended(neverLeft(api, cause?.message ?? 'the node takes no more calls', cause));
    else if (on.silentMs !== undefined) ended(tooLate(api, on.silentMs));
    else ended(brokenOff(api, cause));
  });
}

function cancelled(api: string): Fault {
  return new Fault('transient', 'node_cancelled', `${api}: the call was given up`);
}

function tooLate(api: string, deadlineMs: number): Fault {
  const sentence = `${api}: no answer within ${deadlineMs / secondMs} s`;
  return new Fault('transient', 'node_deadline', sentence);
}
