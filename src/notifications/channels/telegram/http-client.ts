import type http from 'node:http';
import { Agent as PlainAgent, request as plainRequest } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { secondMs } from '../../../kernel/instant.ts';

// An HTTP client that reports whether a failed request may have been read.
//
// node-fetch and the built-in fetch report a refused connection and a connection lost after the
// request by errors that differ only in their texts. The built-in fetch also repeats some requests
// by itself.
//
// A request is written only after its connection is open; for TLS, after the handshake. A failure
// before that means that the request was not read. After that there is doubt. A reused connection
// also leaves doubt, because the other end may have closed it.

/** A request that got no answer. */
export class NoResponseError extends Error {
  /** False: the request cannot have been read. */
  readonly wasWritten: boolean;

  constructor(sentence: string, written: boolean) {
    super(sentence);
    this.name = 'Unanswered';
    this.wasWritten = written;
  }
}

export interface HttpResponse {
  readonly status: number;
  readonly text: string;
}

export interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
}

/** Reuses connections while they are fresh. */
export interface HttpClient {
  send(url: string, request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/** We close an idle connection before the other end does, because a reused one leaves doubt. */
const idleMs = 4 * secondMs;
/** Answers are a few hundred bytes; more than this is not from the Bot API. */
const responseMaxBytes = 1_000_000;

export function openHttpClient(root: string): HttpClient {
  const tls = root.startsWith('https:');
  const agent = tls
    ? new TlsAgent({ keepAlive: true, timeout: idleMs })
    : new PlainAgent({ keepAlive: true, timeout: idleMs });
  const open = tls ? tlsRequest : plainRequest;
  return {
    send(url, { method, headers, body, signal }) {
      return new Promise((resolve, reject) => {
        let wasWritten = false;
        const length = String(Buffer.byteLength(body));
        const request = open(url, {
          agent,
          method,
          headers: { ...headers, 'content-length': length },
        });
        const fail = (error: Error): void => {
          signal.removeEventListener('abort', abort);
          reject(new NoResponseError(describeError(error), wasWritten));
          request.destroy();
        };
        const abort = (): void => fail(new Error('no answer in time'));
        request.on('socket', (socket) => {
          if (request.reusedSocket) wasWritten = true;
          else socket.once(tls ? 'secureConnect' : 'connect', () => (wasWritten = true));
        });
        request.on('error', fail);
        request.on('response', (response) => {
          readBody(response).then((text) => {
            signal.removeEventListener('abort', abort);
            resolve({ status: response.statusCode ?? 0, text });
          }, fail);
        });
        if (signal.aborted) return abort();
        signal.addEventListener('abort', abort, { once: true });
        request.end(body);
      });
    },
    close: () => agent.destroy(),
  };
}

/** @throws Error if the answer breaks off */
function readBody(response: http.IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > responseMaxBytes) response.destroy(new Error('an answer without end'));
    });
    response.on('end', () => resolve(text));
    response.on('error', reject);
    response.on('close', () => reject(new Error('the answer broke off')));
  });
}

/** The error without the URL, which contains the token. */
function describeError(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof AggregateError && error.message === '') {
    return (error.errors as readonly Error[]).map((each) => each.message).join('; ');
  }
  return error.message || code || 'the connection failed';
}
