import type { FastifyRequest } from 'fastify';
import { createProblem, ProblemError } from './problem.ts';

// The body of a request: JSON in UTF-8, with each key of an object once. A reader before this
// program, such as a proxy, may take the other value of a repeated key.

export function parseJsonBody(
  request: FastifyRequest,
  bytes: string | Buffer,
  done: (error: Error | null, body?: unknown) => void,
) {
  // A POST without fields needs no body.
  if (bytes.length === 0) return done(null, undefined);
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(
    request.headers['content-type'] ?? '',
  )?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
    const detail = 'the body is not JSON; expected application/json in UTF-8';
    return done(new ProblemError(createProblem('bad_media_type', 415, detail)));
  }
  let body: unknown;
  let repeatedKey: string | undefined;
  try {
    const text = utf8.decode(bytes as Buffer);
    body = JSON.parse(text, dropProto);
    repeatedKey = findRepeatedKey(text);
  } catch {
    return done(new ProblemError(createProblem('bad_request', 400, 'body: is not JSON in UTF-8')));
  }
  if (repeatedKey === undefined) return done(null, body);
  const detail = `body: has the key ${JSON.stringify(repeatedKey.slice(0, 100))} twice`;
  return done(new ProblemError(createProblem('bad_request', 400, detail)));
}

/** A replaced byte would make two references of payments equal. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

const dropProto = (key: string, value: unknown): unknown =>
  key === '__proto__' ? undefined : value;

const jsonToken = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g;

/** The first key that an object of this JSON repeats. */
function findRepeatedKey(json: string): string | undefined {
  const objects: (Set<string> | undefined)[] = [];
  let before = '';
  for (const [text] of json.matchAll(jsonToken)) {
    if (text === '{') objects.push(new Set());
    else if (text === '[') objects.push(undefined);
    else if (text === '}' || text === ']') objects.pop();
    else if (text === ':') {
      const key = JSON.parse(before) as string;
      const keys = objects.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
    before = text;
  }
  return undefined;
}
