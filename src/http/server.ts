import { Readable } from 'node:stream';
import helmet from '@fastify/helmet';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { readWriteTime } from '../db/trusted-time.ts';
import { minuteMs, secondMs } from '../kernel/instant.ts';
import { throttledLogger } from '../logging/throttled-log.ts';
import { openTexts, type Texts } from '../notifications/texts.ts';
import { createHighMarkUpdater } from '../runs/clock/repair.ts';
import { computeAllowedMethods, type RoutePath } from './allowed-methods.ts';
import { type CsvPage, formatCsvPage, isCsvRequest } from './csv-page.ts';
import { RequestEdge, sendProblem } from './edge.ts';
import { closeConnections } from './graceful-close.ts';
import { parseJsonBody } from './json-body.ts';
import { defaultLimits, type RequestLimitSettings, RequestLimits } from './limits.ts';
import { Metrics } from './metrics.ts';
import { createOpenApiDocument } from './openapi.ts';
import { createProblem } from './problem.ts';
import { answerUnsupportedRequests, createClientErrorHandler } from './raw-responses.ts';
import { openReadiness, type ReadinessCheck } from './readiness.ts';
import { redactFor } from './redact.ts';
import { readRequest } from './request.ts';
import type { CsvFile, Route, RouteContext } from './route.ts';
import { routes } from './routes/index.ts';
import { addUiRoutes, type UiOptions, uiPaths } from './ui/routes.ts';
import { addUnversionedRoutes, unversionedPaths } from './unversioned-routes.ts';

// The HTTP server: the schemas of a route check the request, the route calls the function of the
// command line, and an error becomes a problem. The server decides nothing.

export interface ServerOptions extends Omit<RouteContext, 'reads' | 'lists'> {
  /** Pools for reads; by default the pool of the commands. */
  readonly reads?: RouteContext['reads'];
  readonly lists?: RouteContext['lists'];
  readonly limits?: Partial<RequestLimitSettings>;
  /** Addresses and networks of proxies whose X-Forwarded-For counts. */
  readonly trustedProxies?: readonly string[];
  /** Further reasons for `/readyz`. */
  readonly readiness?: readonly ReadinessCheck[];
  /** Texts of entries in subscription URLs; the built-in ones by default. */
  readonly texts?: Texts;
  /** The limit for a request with its body. */
  readonly requestMs?: number;
  /** A socket without a byte for this time is closed. */
  readonly silentMs?: number;
  /** PEM. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  /** The dashboard; undefined: it is not served. */
  readonly ui?: UiOptions;
}

/** A command with every field is below 1 kB. */
const bodyMax = 64 * 1024;
/** The server, ready to listen. Its routes are those of `routes/index.ts`. */
export async function openServer(options: ServerOptions): Promise<FastifyInstance> {
  const context: RouteContext = {
    db: options.db,
    reads: options.reads ?? options.db,
    lists: options.lists ?? options.db,
    url: options.url,
    log: options.log,
    currency: options.currency,
  };
  const logThrottled = throttledLogger(context.log);
  const metrics = new Metrics(context.lists, (error) => logThrottled(error, 'metrics'));
  const edge = new RequestEdge(
    context,
    new RequestLimits({ ...defaultLimits, ...options.limits }),
    metrics,
    options.ui,
  );
  const server = createFastify(options, edge);
  // Node swaps the two limits if this one is larger. Then a body would have 60 s.
  server.server.headersTimeout = server.server.requestTimeout;
  server.removeContentTypeParser('text/plain');
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, parseJsonBody);
  server.setErrorHandler((error, request, reply) => edge.answerError(error, request, reply));
  const paths = options.ui === undefined ? knownPaths : [...knownPaths, ...uiPaths];
  server.setNotFoundHandler((request, reply) => sendUnknownPath(request, reply, paths));
  closeConnections(server);
  answerUnsupportedRequests(server.server, (status) => edge.countRawResponse(status));
  const readiness = openReadiness(options.url, options.readiness);
  server.addHook('onClose', () => readiness.close());
  await server.register(helmet, {
    contentSecurityPolicy: false,
    // Over plain HTTP this header has no meaning, and a browser must ignore it.
    strictTransportSecurity: options.tls !== undefined,
  });
  edge.registerHooks(server);
  // Before the body is read, because an unknown path needs no body.
  server.addHook('onRequest', async (request, reply) =>
    request.is404 ? sendUnknownPath(request, reply, paths) : undefined,
  );
  const noteTime = createHighMarkUpdater(context.db);
  for (const route of routes) addRoute(server, context, route, edge, noteTime);
  const document = JSON.stringify(createOpenApiDocument(routes));
  const getHolder = (request: FastifyRequest) => edge.holders.get(request);
  addUnversionedRoutes(server, {
    context,
    metrics,
    readiness,
    document,
    texts: options.texts ?? openTexts(),
    getHolder,
    sendProblem,
  });
  if (options.ui !== undefined) addUiRoutes(server, { context, getHolder, ...options.ui });
  return server;
}

function createFastify(options: ServerOptions, edge: RequestEdge): FastifyInstance {
  const requestTimeout = options.requestMs ?? 15 * secondMs;
  // The interval at which Node checks for late requests.
  const timing = {
    connectionsCheckingInterval: Math.min(secondMs, requestTimeout),
    // Node itself would answer a request without Host, without a problem.
    requireHostHeader: false,
  };
  return fastify({
    ...(options.tls === undefined
      ? { http: timing }
      : { https: { ...options.tls, ...timing } as never }),
    bodyLimit: bodyMax,
    requestTimeout,
    connectionTimeout: options.silentMs ?? minuteMs,
    keepAliveTimeout: 75 * secondMs,
    routerOptions: { maxParamLength: 200 },
    ...(options.trustedProxies === undefined ? {} : { trustProxy: [...options.trustedProxies] }),
    logger: false,
    return503OnClosing: true,
    frameworkErrors: (error, request, reply) => edge.answerRouterError(error, request, reply),
    clientErrorHandler: createClientErrorHandler((status) => edge.countRawResponse(status)),
  });
}

const knownPaths = [...routes, ...unversionedPaths];

function sendUnknownPath(
  request: FastifyRequest,
  reply: FastifyReply,
  paths: readonly RoutePath[],
): FastifyReply {
  const [path = ''] = request.url.split('?');
  const allow = computeAllowedMethods(paths, path);
  // A link to a subscription is a secret: the answer does not repeat it.
  const shown = path.startsWith('/sub/') ? '/sub/…' : path.slice(0, 200);
  if (allow.length === 0) {
    const detail = `there is no ${request.method} ${shown}`;
    return sendProblem(reply, createProblem('not_found', 404, detail));
  }
  void reply.header('allow', allow.join(', '));
  const detail = `${shown} has no ${request.method}; available: ${allow.join(', ')}`;
  return sendProblem(reply, createProblem('bad_method', 405, detail));
}

const sendCsvFile = (reply: FastifyReply, { name, chunks }: CsvFile): FastifyReply =>
  reply
    .header('content-disposition', `attachment; filename="${name}"`)
    .type('text/csv; charset=utf-8')
    .send(Readable.from(chunks));

/**
 * While commits may be lost, each request that changes something waits for the confirmation.
 * @param noteTime raises the high-water mark of the time before a command
 */
function addRoute(
  server: FastifyInstance,
  context: RouteContext,
  route: Route,
  edge: RequestEdge,
  noteTime: () => Promise<void>,
): void {
  const readDb = route.isList === true ? context.lists : context.reads;
  const routeContext = route.method === 'GET' ? { ...context, db: readDb } : context;
  server.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    handler: async (request, reply) => {
      const result = await readRequest(routeContext.db, route, request, edge.holders.get(request));
      if ('problem' in result) {
        if (result.problem.status === 403) edge.logForbidden(request);
        return sendProblem(reply, result.problem);
      }
      if (route.method !== 'GET') {
        if (route.confirmsTime !== true) await readWriteTime(routeContext.db);
        await noteTime();
      }
      const { socket } = request.raw;
      const { timeout: silentMs = 0 } = socket;
      if (route.isLong === true) socket.setTimeout(0);
      const answer = await route.handle(routeContext, result.routeRequest);
      if (route.isLong === true) socket.setTimeout(silentMs);
      if (route.isCsvFile === true) return sendCsvFile(reply, answer as CsvFile);
      const { holder } = result.routeRequest;
      if (route.csvColumns !== undefined && isCsvRequest(request)) {
        const { text, headers } = formatCsvPage(route.csvColumns, answer as CsvPage);
        return reply.headers(headers).send(redactFor(holder, text));
      }
      return reply
        .code(route.status ?? 200)
        .type('application/json')
        .send(redactFor(holder, JSON.stringify(answer)));
    },
  });
}
