import { type Client, type ServiceError, status } from '@grpc/grpc-js';
import protobuf from 'protobufjs/minimal.js';
import { Fault } from '../../kernel/faults.ts';
import { secondMs } from '../../kernel/instant.ts';
import type { Patience } from '../port.ts';
import type { Path } from './contract.ts';
import { faultOf, garbage } from './status.ts';

/** One call. Enough for a node on the other side of the world, short of a person's patience. */
export const callDeadlineMs = 5_000;

/** A call, its answer still bytes: what is in them is read by us, so that garbage is told apart. */
export interface Call {
  readonly path: Path;
  readonly request: Uint8Array;
  /** Of the inbound that it is about. */
  readonly tag?: string;
  /** An error that is an answer, such as "already exists": its value instead of a Fault. */
  readonly expects?: (error: ServiceError) => boolean;
}

export type Answer = { readonly bytes: Buffer } | { readonly expected: true };

const asIs = (bytes: Buffer): Buffer => bytes;

/** @throws Fault */
export function ask(
  client: Client,
  api: string,
  call: Call,
  { deadlineMs = callDeadlineMs, signal }: Patience,
): Promise<Answer> {
  const { path, request, tag, expects } = call;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(cancelled(api));
      return;
    }
    // A timer of our own: gRPC's deadlines are times of day, and a clock that is set would end
    // every call at once, or none.
    let late = false;
    const giveUp = (): void => underWay.cancel();
    const timer = setTimeout(() => {
      late = true;
      giveUp();
    }, deadlineMs);
    const settle = (error: ServiceError | null, bytes?: Buffer): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      if (error === null) resolve({ bytes: bytes ?? Buffer.alloc(0) });
      else if (expects?.(error) === true) resolve({ expected: true });
      else if (error.code === status.CANCELLED)
        reject(late ? tooLate(api, deadlineMs, error) : cancelled(api, error));
      else reject(faultOf(error, { api, path, tag }));
    };
    const body = Buffer.from(request.buffer, request.byteOffset, request.byteLength);
    const underWay = client.makeUnaryRequest(path, asIs, asIs, body, settle);
    signal?.addEventListener('abort', giveUp, { once: true });
  });
}

function cancelled(api: string, cause?: unknown): Fault {
  return new Fault('transient', 'node_cancelled', `${api}: the call was given up`, cause);
}

function tooLate(api: string, deadlineMs: number, cause: unknown): Fault {
  const sentence = `${api}: no answer within ${deadlineMs / secondMs} s`;
  return new Fault('transient', 'node_deadline', sentence, cause);
}

type Decoder<Message> = { decode(reader: protobuf.Reader): Message };

/**
 * A reader that drops what our .proto doesn't name. By default it would keep those bytes beside the
 * message, and with them the private keys of an inbound's configuration.
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
