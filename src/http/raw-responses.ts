import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createProblem, type Problem } from './problem.ts';

// Answers to bytes that never become a request: no HTTP, too long headers, a request that does not
// end in time, an unsupported expectation. They are problems, too.

interface ClientError extends Error {
  readonly code?: string;
}

/** Headers beyond the limit of the parser, which is 16 kB with the address. */
const tooLongHeaders = 'the address and the headers are too long; 16 kB are allowed';

function toClientErrorProblem({ code }: ClientError): Problem {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return createProblem('request_timeout', 408, 'the request did not end within 15 s');
    case 'HPE_HEADER_OVERFLOW':
      return createProblem('headers_too_long', 431, tooLongHeaders);
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return createProblem('too_large', 413, 'the extensions of the chunks are too long');
    default:
      return createProblem('bad_request', 400, 'is not an HTTP request');
  }
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  431: 'Request Header Fields Too Large',
};

/** CONNECT names no path of ours, so each method of the API is allowed. */
const allow = 'GET, HEAD, PATCH, POST';

const toRawHeaders = (body: string) => ({
  'content-type': 'application/problem+json',
  'content-length': String(Buffer.byteLength(body)),
  'cache-control': 'no-store',
  connection: 'close',
});

function formatRawResponse(
  problem: Problem,
  extraHeaders: Readonly<Record<string, string>> = {},
): string {
  const body = JSON.stringify(problem);
  const lines = Object.entries({ ...toRawHeaders(body), ...extraHeaders }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const status = `HTTP/1.1 ${problem.status} ${reasons[problem.status] ?? ''}`;
  return [status, ...lines, '', body].join('\r\n');
}

/** Node keeps the current answer here. After its head is sent, nothing else may be written. */
const hasResponded = (socket: Socket): boolean =>
  (socket as Socket & { _httpMessage?: ServerResponse })._httpMessage?.headersSent === true;

/** @param onResponse called with the status of each answer */
export function createClientErrorHandler(onResponse: (status: number) => void) {
  return (error: ClientError, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable || hasResponded(socket)) {
      socket.destroy();
      return;
    }
    const problem = toClientErrorProblem(error);
    onResponse(problem.status);
    socket.end(formatRawResponse(problem), () => socket.destroy());
  };
}

/** Node itself would answer these with an empty body, or not at all. */
export function answerUnsupportedRequests(
  server: Server,
  onResponse: (status: number) => void,
): void {
  server.on('checkExpectation', (_, response: ServerResponse) => {
    const body = JSON.stringify(
      createProblem('bad_expectation', 417, 'no expectation but 100-continue is supported'),
    );
    onResponse(417);
    response.writeHead(417, toRawHeaders(body)).end(body);
  });
  server.on('connect', (_, socket: Socket) => {
    onResponse(405);
    socket.on('error', () => socket.destroy());
    socket.end(
      formatRawResponse(createProblem('bad_method', 405, 'there is no method CONNECT'), { allow }),
    );
  });
}
