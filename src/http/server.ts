import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { stopwatch } from '../db/clock.ts';
import type { Fault } from '../kernel/faults.ts';
import { minuteMs, secondMs } from '../kernel/instant.ts';
import { type Holder, holderOf } from '../tokens/store.ts';
import { mayDo } from '../tokens/token.ts';
import { endConnections } from './ending.ts';
import { openApiOf } from './openapi.ts';
import { badInput, type Problem, problemOf, thrownProblem } from './problem.ts';
import { openPlaces } from './public.ts';
import type { Kit, Route } from './route.ts';
import { routes } from './routes/index.ts';

// The HTTP edge: what comes in is checked by the route's schemas, the route calls the same function
// as the command line, and what went wrong leaves as a problem. Nothing is decided here.

export interface ServerOptions extends Kit {
  readonly limits?: Partial<Limits>;
  /** PEM. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
}

export interface Limits {
  /** Requests a minute of one token, on one replica. */
  readonly perTokenMax: number;
  /** Of an address that shows no token: links, probes, guesses. */
  readonly perAddressMax: number;
}

const defaultLimits: Limits = { perTokenMax: 60_000, perAddressMax: 600 };

/** Who asks, as soon as it is known. */
const holders = new WeakMap<FastifyRequest, Holder>();

/** An order with every field is below 1 kB. */
const bodyMax = 64 * 1024;

const headerOf = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const bearerOf = (request: FastifyRequest): string | undefined =>
  /^Bearer ([\x21-\x7e]+)$/.exec(headerOf(request, 'authorization') ?? '')?.[1];

function answerProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.status === 503) void reply.header('retry-after', '1');
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
  return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
}

/** The server, ready to listen. Its routes are those of `routes/index.ts`. */
export async function openServer(options: ServerOptions): Promise<FastifyInstance> {
  const { limits: given, tls, ...kit } = options;
  const limits = { ...defaultLimits, ...given };
  const server: FastifyInstance = fastify({
    ...(tls === undefined ? {} : { https: tls }),
    bodyLimit: bodyMax,
    // A client that dawdles over its request, or a connection on which nothing comes.
    requestTimeout: 15 * secondMs,
    connectionTimeout: minuteMs,
    keepAliveTimeout: 75 * secondMs,
    // Longest names of ours are well below; a longer one is somebody's attack.
    routerOptions: { maxParamLength: 200 },
    logger: false,
    return503OnClosing: true,
  });
  server.addContentTypeParser('application/json', { parseAs: 'string' }, readJson);
  server.setErrorHandler((error, request, reply) => {
    const { problem, fault } = thrownProblem(error);
    tellFault(kit, request, problem, fault);
    return answerProblem(reply, problem);
  });
  server.setNotFoundHandler((request, reply) =>
    answerProblem(reply, notFound(request.method, request.url)),
  );
  logAnswers(server, kit);
  endConnections(server);
  await server.register(helmet, { contentSecurityPolicy: false });
  // Who asks is known before requests are counted: a name that is only claimed counts for nobody.
  server.addHook('onRequest', async (request) => {
    const holder = await holderOf(kit.db, bearerOf(request) ?? '');
    if (holder !== undefined) holders.set(request, holder);
  });
  await server.register(rateLimit, {
    hook: 'preParsing',
    timeWindow: minuteMs,
    keyGenerator: (request) => {
      const holder = holders.get(request);
      return holder === undefined ? `address ${request.ip}` : `token ${holder.id}`;
    },
    max: (_, key) => (key.startsWith('token ') ? limits.perTokenMax : limits.perAddressMax),
    errorResponseBuilder: (_, { after }) =>
      Object.assign(new Error(`too many requests; ask again in ${after}`), { statusCode: 429 }),
  });
  for (const route of routes) addRoute(server, kit, route);
  const document = JSON.stringify(openApiOf(routes));
  server.get('/openapi.json', (_, reply) => reply.type('application/json').send(document));
  openPlaces(server, kit, (request) => holders.get(request));
  return server;
}

const notFound = (method: string, url: string): Problem =>
  // A link to a subscription is a secret: it is not said again.
  problemOf(
    'not_found',
    404,
    `there is no ${method} ${url.startsWith('/sub/') ? '/sub/…' : url.split('?')[0]}`,
  );

function readJson(
  _: FastifyRequest,
  text: string | Buffer,
  done: (error: Error | null, body?: unknown) => void,
) {
  // A POST without anything to say needs no body.
  if (text.length === 0) return done(null, undefined);
  let body: unknown;
  try {
    body = JSON.parse(text.toString(), withoutProto);
  } catch {
    return done(Object.assign(new Error('body: is not JSON'), { statusCode: 400 }));
  }
  return done(null, body);
}

const withoutProto = (key: string, value: unknown): unknown =>
  key === '__proto__' ? undefined : value;

const aboutOf = (request: FastifyRequest) => ({
  method: request.method,
  // The pattern, not the address: that may hold a secret.
  route: request.routeOptions.url ?? '(none)',
});

/** Our own trouble, with its cause. A refusal's sentence quotes what was sent: not in a log. */
function tellFault(
  { log }: Kit,
  request: FastifyRequest,
  { status, type }: Problem,
  fault: Fault | undefined,
): void {
  const about = { ...aboutOf(request), status, code: fault?.code ?? type };
  if (status < 500) log.debug(about, 'refused');
  // An outage meets every request: a short line for each, or it would fill the disk.
  else if (status === 503) log.warn({ ...about, reason: fault?.message }, 'books not reached');
  else log.error({ ...about, err: fault }, 'request failed');
}

/** One line a request, without anything that it carried. */
function logAnswers(server: FastifyInstance, { log }: Kit): void {
  const begun = new WeakMap<FastifyRequest, () => number>();
  server.addHook('onRequest', async (request) => {
    begun.set(request, stopwatch());
  });
  server.addHook('onResponse', async (request, reply) => {
    const tookMs = Math.round(begun.get(request)?.() ?? 0);
    const holder = holders.get(request)?.id;
    log.debug({ ...aboutOf(request), status: reply.statusCode, tookMs, holder }, 'answered');
  });
}

function addRoute(server: FastifyInstance, kit: Kit, route: Route): void {
  server.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    handler: async (request, reply) => {
      const taken = await take(kit, route, request);
      if ('problem' in taken) return answerProblem(reply, taken.problem);
      const answer = await route.handle(kit, taken.asked);
      return reply
        .code(route.status ?? 200)
        .type('application/json')
        .send(JSON.stringify(answer));
    },
  });
}

type Taken = { readonly problem: Problem } | { readonly asked: Parameters<Route['handle']>[1] };

/** Who asks, and for what; or why that can't be taken. */
async function take(kit: Kit, route: Route, request: FastifyRequest): Promise<Taken> {
  const holder = holders.get(request);
  if (holder === undefined) {
    const detail =
      'needs a token that counts, as "Authorization: Bearer prn_…"; "perennial token create" makes one';
    return { problem: problemOf('unauthorized', 401, detail) };
  }
  if (!mayDo(holder.scopes, route.scope)) {
    const held = holder.scopes.join(', ');
    const detail = `needs the scope ${route.scope}; the token "${holder.name}" has ${held}`;
    return { problem: problemOf('forbidden', 403, detail) };
  }
  const key = keyOf(route, headerOf(request, 'idempotency-key'));
  if (typeof key === 'object') return { problem: key };
  const parts = { params: request.params, query: request.query, body: request.body ?? {} };
  const read: Record<string, unknown> = {};
  for (const [part, given] of Object.entries(parts)) {
    const schema = route[part as keyof typeof parts];
    if (schema === undefined) continue;
    const result = await schema.safeParseAsync(given);
    if (!result.success) return { problem: badInput(part, result.error.issues) };
    read[part] = result.data;
  }
  const { db } = kit;
  const call = { db, actor: `api:${holder.name}`, inFlight: 'refuse' as const };
  return {
    asked: {
      ...read,
      holder,
      signal: request.signal,
      call: key === undefined ? call : { ...call, key },
    } as Parameters<Route['handle']>[1],
  };
}

/** The idempotency key; a problem where it is missing or none. */
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
