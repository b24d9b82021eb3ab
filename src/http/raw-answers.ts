import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Problem, problemOf } from './problem.ts';

// Answers to requests that never become one: bytes that are no HTTP, headers that are too long, a
// request that does not end in time, an expectation that is not supported. They are problems, too.

interface ClientError extends Error {
  readonly code?: string;
}

/** Headers beyond the limit of the parser, which is 16 kB with the address. */
const tooLongHeaders = 'the address and the headers are too long; 16 kB are allowed';

export function problemOfClientError({ code }: ClientError): Problem {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return problemOf('request_timeout', 408, 'the request did not end within 15 s');
    case 'HPE_HEADER_OVERFLOW':
      return problemOf('headers_too_long', 431, tooLongHeaders);
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return problemOf('too_large', 413, 'the extensions of the chunks are too long');
    default:
      return problemOf('bad_request', 400, 'is not an HTTP request');
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

const headersOf = (body: string) => ({
  'content-type': 'application/problem+json',
  'content-length': String(Buffer.byteLength(body)),
  'cache-control': 'no-store',
  connection: 'close',
});

function rawAnswer(problem: Problem, more: Readonly<Record<string, string>> = {}): string {
  const body = JSON.stringify(problem);
  const lines = Object.entries({ ...headersOf(body), ...more }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const status = `HTTP/1.1 ${problem.status} ${reasons[problem.status] ?? ''}`;
  return [status, ...lines, '', body].join('\r\n');
}

/** Node keeps the answer under way here; once its head is sent, nothing else may be written. */
const hasAnswered = (socket: Socket): boolean =>
  (socket as Socket & { _httpMessage?: ServerResponse })._httpMessage?.headersSent === true;

/** @param onAnswer called with the status of each answer */
export function clientErrorHandler(onAnswer: (status: number) => void) {
  return (error: ClientError, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable || hasAnswered(socket)) {
      socket.destroy();
      return;
    }
    const problem = problemOfClientError(error);
    onAnswer(problem.status);
    socket.end(rawAnswer(problem), () => socket.destroy());
  };
}

/** What Node would answer by itself, with an empty body, or not at all. */
export function answerOddRequests(server: Server, onAnswer: (status: number) => void): void {
  server.on('checkExpectation', (_, response: ServerResponse) => {
    const body = JSON.stringify(
      problemOf('bad_expectation', 417, 'no expectation but 100-continue is supported'),
    );
    onAnswer(417);
    response.writeHead(417, headersOf(body)).end(body);
  });
  server.on('connect', (_, socket: Socket) => {
    onAnswer(405);
    socket.on('error', () => socket.destroy());
    socket.end(rawAnswer(problemOf('bad_method', 405, 'there is no method CONNECT'), { allow }));
  });
}
