import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Holder } from '../tokens/store.ts';
import { mayDo } from '../tokens/token.ts';
import { badInput, type Problem, problemOf } from './problem.ts';
import type { Kit, Route } from './route.ts';
import { reasonOf } from './wording.ts';

// A request of a route, checked: the holder and its scope, the idempotency key, and each part by
// the schema of the route.

export type Taken =
  | { readonly problem: Problem }
  | { readonly asked: Parameters<Route['handle']>[1] };

export const headerOf = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** The scheme has no case (RFC 9110, 11.1). */
export const bearerOf = (request: FastifyRequest): string | undefined =>
  /^bearer +([\x21-\x7e]+) *$/i.exec(headerOf(request, 'authorization') ?? '')?.[1];

/** The body of a route that takes none: what it would ignore is refused. */
const noFields = z.strictObject({});

/** The request as its route takes it, or the reason why it is refused. */
export async function readRequest(
  db: Kit['db'],
  route: Route,
  request: FastifyRequest,
  holder: Holder | undefined,
): Promise<Taken> {
  if (holder === undefined) {
    const detail = 'needs a valid token, as "Authorization: Bearer prn_…"';
    return { problem: problemOf('unauthorized', 401, detail) };
  }
  if (!mayDo(holder.scopes, route.scope)) {
    const held = holder.scopes.join(', ');
    const detail = `needs the scope ${route.scope}; the token "${holder.name}" has ${held}`;
    return { problem: problemOf('forbidden', 403, detail) };
  }
  const key = keyOf(route, headerOf(request, 'idempotency-key'));
  if (typeof key === 'object') return { problem: key };
  const unknown = unknownParameter(parametersOf(route), request.query as object);
  if (unknown !== undefined) return { problem: unknown };
  const parts = { params: request.params, query: request.query, body: request.body ?? {} };
  const read: Record<string, unknown> = {};
  for (const [part, given] of Object.entries(parts)) {
    const schema = route[part as keyof typeof parts] ?? (part === 'body' ? noFields : undefined);
    if (schema === undefined) continue;
    const result = await schema.safeParseAsync(given, { error: reasonOf });
    if (!result.success) return { problem: badInput(part, result.error.issues) };
    read[part] = result.data;
  }
  // The id tells two tokens apart that had one name, one after the other.
  const actor = `api:${holder.name}/${holder.id}`;
  const call = { db, actor, keyOwner: holder.id, inFlight: 'refuse' as const };
  return {
    asked: {
      ...read,
      holder,
      signal: request.signal,
      call: key === undefined ? call : { ...call, key },
    } as Parameters<Route['handle']>[1],
  };
}

/** The names of the query parameters of a route. */
export const parametersOf = ({ query }: Route): string[] =>
  query instanceof z.ZodObject ? Object.keys(query.shape) : [];

/** A misspelt filter would answer with everything, so it is refused. */
export function unknownParameter(known: readonly string[], given: object): Problem | undefined {
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  if (unknown.length === 0) return undefined;
  const available = known.length === 0 ? 'this route has none' : `available: ${known.join(', ')}`;
  const errors = unknown.slice(0, 20).map((name) => ({
    place: `query.${name}`.slice(0, 200),
    detail: `there is no such parameter; ${available}`,
  }));
  const [first] = errors;
  return problemOf('unknown_parameter', 400, `${first?.place}: ${first?.detail}`, errors);
}

/** The idempotency key; a problem if it is missing or malformed. */
function keyOf(route: Route, given: string | undefined): string | undefined | Problem {
  if (given === undefined) {
    if (route.keyed !== true) return undefined;
    const detail =
      'the header Idempotency-Key is missing: a request that moves money or rights needs one, and the same one when it is asked again';
    return problemOf('key_missing', 400, detail);
  }
  if (/^[\x21-\x7e]{1,200}$/.test(given)) return given;
  const detail =
    'the header Idempotency-Key must be 1 to 200 printable ASCII characters without a space';
  return problemOf('bad_key', 400, detail);
}
