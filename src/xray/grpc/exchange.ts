import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import type { Patience } from '../port.ts';
import { type Connection, type Connections, send, stands } from './connections.ts';
import type { Path } from './contract.ts';
import { brokenOff, garbage, neverLeft, type Refusal, strangeness, verdict } from './status.ts';

// One call of gRPC: a request, the pieces of an answer, and a status behind them, within a deadline
// and until a signal. It is written on Node's HTTP/2 and not on @grpc/grpc-js for a third of the
// processor time, and since a long list has to be read while it comes (docs/benchmarks.md). At the
// other end of the tests there is grpc-js, or a real Xray.

/** One call. Enough for a node on the other side of the world, short of a person's patience. */
export const callDeadlineMs = 5 * secondMs;

export interface Request {
  readonly path: Path;
  readonly message: Uint8Array;
  /** The connection on which it goes out, or not at all; else the one that stands, or a new one. */
  readonly on?: Connection | undefined;
}

/** Gets an answer's bytes as they come; may pause the stream. @throws Error: they can't be read */
export type Hear = (bytes: Buffer, stream: ClientHttp2Stream) => void;

/** How a call ended that has reached the node. */
export interface Ended {
  readonly on: Connection;
  /** undefined: it was carried out. */
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
    // A timer of our own: a deadline that is a time of day would end every call at once, or none,
    // when a clock is set.
    const timer = setTimeout(() => giveUp(onLate()), deadlineMs);
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

/** One listener for all calls of a signal: adding one for each was a tenth of what they cost. */
function whenAborted(signal: AbortSignal, act: () => void): () => void {
  const { acts, tell } = heed(signal);
  if (acts.size === 0) signal.addEventListener('abort', tell);
  acts.add(act);
  return () => {
    acts.delete(act);
    // A signal that is made of others lives for as long as it has a listener.
    if (acts.size === 0) signal.removeEventListener('abort', tell);
  };
}

interface Attended {
  readonly api: string;
  readonly on: Connection;
  readonly stream: ClientHttp2Stream;
  readonly hear: Hear;
}

/** @param ended once, with what came of it; undefined: it is well */
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
    // Told apart, since only what was certainly not carried out may be sent again without care.
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
