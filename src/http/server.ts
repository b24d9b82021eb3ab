import helmet from '@fastify/helmet';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { readWriteTime } from '../db/trusted-time.ts';
import { minuteMs, secondMs } from '../kernel/instant.ts';
import { openTexts, type Texts } from '../notify/texts.ts';
import { openTimeNotes } from '../workers/time-repair.ts';
import { allowedMethods } from './allowed-methods.ts';
import { answerProblem, Edge } from './edge.ts';
import { endConnections } from './ending.ts';
import { readJson } from './json-body.ts';
import { defaultLimits, type Limits, RequestLimits } from './limits.ts';
import { Metrics } from './metrics.ts';
import { openApiOf } from './openapi.ts';
import { problemOf } from './problem.ts';
import { openPaths, openRoutes } from './public.ts';
import { answerOddRequests, clientErrorHandler } from './raw-answers.ts';
import { openReadiness, type ReadinessCheck } from './readiness.ts';
import { visibleTo } from './redact.ts';
import { readRequest } from './request.ts';
import type { Kit, Route } from './route.ts';
import { routes } from './routes/index.ts';

// The HTTP edge: what comes in is checked by the route's schemas, the route calls the same function
// as the command line, and what went wrong leaves as a problem. Nothing is decided here.

export interface ServerOptions extends Omit<Kit, 'reads' | 'lists'> {
  /** Pools for reads; by default the pool of the commands. */
  readonly reads?: Kit['reads'];
  readonly lists?: Kit['lists'];
  readonly limits?: Partial<Limits>;
  /** Addresses and networks of proxies whose X-Forwarded-For counts. */
  readonly trustedProxies?: readonly string[];
  /** Further reasons for `/readyz`. */
  readonly readiness?: readonly ReadinessCheck[];
  /** Texts of entries in subscription URLs; ours by default. */
  readonly texts?: Texts;
  /** The limit for a request with its body. */
  readonly requestMs?: number;
  /** PEM. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
}

/** A command with every field is below 1 kB. */
const bodyMax = 64 * 1024;
/** The server, ready to listen. Its routes are those of `routes/index.ts`. */
export async function openServer(options: ServerOptions): Promise<FastifyInstance> {
  const kit: Kit = {
    db: options.db,
    reads: options.reads ?? options.db,
    lists: options.lists ?? options.db,
    url: options.url,
    log: options.log,
    currency: options.currency,
  };
  const metrics = new Metrics(kit.lists);
  const edge = new Edge(kit, new RequestLimits({ ...defaultLimits, ...options.limits }), metrics);
  const server = openFastify(options, edge);
  // Node swaps the two limits if this one is larger: then a body would have 60 s.
  server.server.headersTimeout = server.server.requestTimeout;
  server.removeContentTypeParser('text/plain');
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, readJson);
  server.setErrorHandler((error, request, reply) => edge.fail(error, request, reply));
  server.setNotFoundHandler((request, reply) => answerUnknown(request, reply));
  endConnections(server);
  answerOddRequests(server.server, (status) => edge.countRaw(status));
  const readiness = openReadiness(options.url, options.readiness);
  server.addHook('onClose', () => readiness.close());
  await server.register(helmet, {
    contentSecurityPolicy: false,
    // Over plain HTTP this header has no meaning, and a browser must not act on it.
    strictTransportSecurity: options.tls !== undefined,
  });
  edge.watch(server);
  // Before its body is read: an unknown path needs none.
  server.addHook('onRequest', async (request, reply) =>
    request.is404 ? answerUnknown(request, reply) : undefined,
  );
  const noteTime = openTimeNotes(kit.db);
  for (const route of routes) addRoute(server, kit, route, edge, noteTime);
  const document = JSON.stringify(openApiOf(routes));
  const holderOfRequest = (request: FastifyRequest) => edge.holders.get(request);
  openRoutes(server, {
    kit,
    metrics,
    readiness,
    document,
    texts: options.texts ?? openTexts(),
    holderOf: holderOfRequest,
    answerProblem,
  });
  return server;
}

function openFastify(options: ServerOptions, edge: Edge): FastifyInstance {
  const requestTimeout = options.requestMs ?? 15 * secondMs;
  // Node looks for late requests in this interval.
  const timing = {
    connectionsCheckingInterval: Math.min(secondMs, requestTimeout),
    // Node would answer a request without Host by itself, without a problem.
    requireHostHeader: false,
  };
  return fastify({
    ...(options.tls === undefined
      ? { http: timing }
      : { https: { ...options.tls, ...timing } as never }),
    bodyLimit: bodyMax,
    requestTimeout,
    connectionTimeout: minuteMs,
    keepAliveTimeout: 75 * secondMs,
    routerOptions: { maxParamLength: 200 },
    ...(options.trustedProxies === undefined ? {} : { trustProxy: [...options.trustedProxies] }),
    logger: false,
    return503OnClosing: true,
    frameworkErrors: (error, request, reply) => edge.failBeforeHooks(error, request, reply),
    clientErrorHandler: clientErrorHandler((status) => edge.countRaw(status)),
  });
}

const known = [...routes, ...openPaths];

function answerUnknown(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const [path = ''] = request.url.split('?');
  const allow = allowedMethods(known, path);
  // A link to a subscription is a secret: the answer does not repeat it.
  const shown = path.startsWith('/sub/') ? '/sub/…' : path.slice(0, 200);
  if (allow.length === 0) {
    const detail = `there is no ${request.method} ${shown}`;
    return answerProblem(reply, problemOf('not_found', 404, detail));
  }
  void reply.header('allow', allow.join(', '));
  const detail = `${shown} has no ${request.method}; available: ${allow.join(', ')}`;
  return answerProblem(reply, problemOf('bad_method', 405, detail));
}

/**
 * While commits may be lost, each request that changes something waits for the confirmation.
 * @param noteTime raises the high-water mark of the time before a command
 */
function addRoute(
  server: FastifyInstance,
  kit: Kit,
  route: Route,
  edge: Edge,
  noteTime: () => Promise<void>,
): void {
  const reads = route.isList === true ? kit.lists : kit.reads;
  const own = route.method === 'GET' ? { ...kit, db: reads } : kit;
  server.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    handler: async (request, reply) => {
      const taken = await readRequest(own.db, route, request, edge.holders.get(request));
      if ('problem' in taken) return answerProblem(reply, taken.problem);
      if (route.method !== 'GET') {
        if (route.confirmsTime !== true) await readWriteTime(own.db);
        await noteTime();
      }
      const answer = await route.handle(own, taken.asked);
      return reply
        .code(route.status ?? 200)
        .type('application/json')
        .send(visibleTo(taken.asked.holder, JSON.stringify(answer)));
    },
  });
}
