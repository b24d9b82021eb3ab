import type http from 'node:http';
import { Agent as PlainAgent, request as plainRequest } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { secondMs } from '../../../kernel/instant.ts';

// One request over HTTP, for whom it matters whether somebody may have read it. node-fetch and the
// built-in fetch report a connection that was refused and one that was lost after the request went
// out by errors that only their texts tell apart, and the built-in one repeats some by itself.
//
// Nothing of a request is written before its connection stands: for TLS, before the handshake ended.
// So a failure before that is one of nobody's having read it. From then on there is doubt, also
// where a connection is used again, which the other end may have closed meanwhile.

/** A request that got no answer. */
export class NoResponseError extends Error {
  /** false: nobody can have read it. */
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

/** Connections that are used again while they are fresh. */
export interface HttpClient {
  send(url: string, request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

/** An idle connection is closed by us, and before the other end does: see above. */
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

/** @throws where the answer breaks off */
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

/** What happened, without the URL: that has the token in it. */
function describeError(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof AggregateError && error.message === '') {
    return (error.errors as readonly Error[]).map((each) => each.message).join('; ');
  }
  return error.message || code || 'the connection failed';
}
