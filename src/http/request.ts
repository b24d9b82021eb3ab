import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { hasScope } from '../tokens/token.ts';
import { type RequestHolder, toActor, toKeyOwner } from './holder.ts';
import { createInputProblem, createProblem, type Problem } from './problem.ts';
import { describeIssue } from './problem-text.ts';
import type { Route, RouteContext } from './route.ts';

// Checks a request of a route: the holder and its scope, the idempotency key, and each part by the
// schema of the route.

export type RequestResult =
  | { readonly problem: Problem }
  | { readonly routeRequest: Parameters<Route['handle']>[1] };

export const getHeader = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** The scheme has no case (RFC 9110, 11.1). */
export const parseBearerToken = (request: FastifyRequest): string | undefined =>
  /^bearer +([\x21-\x7e]+) *$/i.exec(getHeader(request, 'authorization') ?? '')?.[1];

/** The body of a route without fields: unknown fields are refused, because they have no effect. */
const noFields = z.strictObject({});

/** The checked request of a route, or the problem of its refusal. */
export async function readRequest(
  db: RouteContext['db'],
  route: Route,
  request: FastifyRequest,
  holder: RequestHolder | undefined,
): Promise<RequestResult> {
  if (holder === undefined) {
    const detail = 'needs a valid token, as "Authorization: Bearer prn_…"';
    return { problem: createProblem('unauthorized', 401, detail) };
  }
  if (!hasScope(holder.scopes, route.scope)) {
    const scopes = holder.scopes.join(', ');
    const detail = `needs the scope ${route.scope}; the ${holder.kind} "${holder.name}" has ${scopes}`;
    return { problem: createProblem('forbidden', 403, detail) };
  }
  const key = parseIdempotencyKey(route, getHeader(request, 'idempotency-key'));
  if (typeof key === 'object') return { problem: key };
  const unknown = checkParameters(toParameterNames(route), request.query as object);
  if (unknown !== undefined) return { problem: unknown };
  const parts = { params: request.params, query: request.query, body: request.body ?? {} };
  const parsed = {} as Record<keyof typeof parts, object>;
  for (const [part, value] of Object.entries(parts)) {
    const schema = route[part as keyof typeof parts] ?? (part === 'body' ? noFields : undefined);
    if (schema === undefined) continue;
    const result = await schema.safeParseAsync(value, { error: describeIssue });
    if (!result.success) return { problem: createInputProblem(part, result.error.issues) };
    parsed[part as keyof typeof parts] = result.data;
  }
  const [actor, keyOwner] = [toActor(holder), toKeyOwner(holder)];
  const caller = { db, actor, keyOwner, inFlight: 'refuse' as const };
  return {
    routeRequest: {
      ...parsed,
      holder,
      signal: request.signal,
      caller: key === undefined ? caller : { ...caller, key },
    } as Parameters<Route['handle']>[1],
  };
}

/** The names of the query parameters of a route. */
export const toParameterNames = ({ query }: Route): string[] =>
  query instanceof z.ZodObject ? Object.keys(query.shape) : [];

/** A misspelt filter would return everything, so it is refused. */
export function checkParameters(allowed: readonly string[], query: object): Problem | undefined {
  const unknown = Object.keys(query).filter((name) => !allowed.includes(name));
  if (unknown.length === 0) return undefined;
  const available =
    allowed.length === 0 ? 'this route has none' : `available: ${allowed.join(', ')}`;
  const errors = unknown.slice(0, 20).map((name) => ({
    place: `query.${name}`.slice(0, 200),
    detail: `there is no such parameter; ${available}`,
  }));
  const [first] = errors;
  return createProblem('unknown_parameter', 400, `${first?.place}: ${first?.detail}`, errors);
}

/** The idempotency key; a problem if it is missing or malformed. */
function parseIdempotencyKey(
  route: Route,
  header: string | undefined,
): string | undefined | Problem {
  if (header === undefined) {
    if (route.keyed !== true) return undefined;
    const detail =
      'the header Idempotency-Key is missing: a request that moves money or rights requires it; a repeated request has the same key';
    return createProblem('key_missing', 400, detail);
  }
  if (/^[\x21-\x7e]{1,200}$/.test(header)) return header;
  const detail =
    'the header Idempotency-Key is not a key; expected 1 to 200 printable ASCII characters without a space';
  return createProblem('bad_key', 400, detail);
}
