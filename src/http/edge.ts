import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { outageMessages } from '../db/outage.ts';
import type { Fault } from '../kernel/faults.ts';
import { secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { findSession } from '../operators/session.ts';
import { findTokenHolder } from '../tokens/store.ts';
import { parseTokenId } from '../tokens/token.ts';
import { type RequestHolder, toSessionRights, toTokenRights } from './holder.ts';
import { isProbe, type RequestLimits, toClientAddress } from './limits.ts';
import type { Metrics } from './metrics.ts';
import { createProblem, type Problem, ProblemError, toThrownProblem } from './problem.ts';
import { RefusalLog } from './refusal-log.ts';
import { parseBearerToken } from './request.ts';
import type { RouteContext } from './route.ts';
import { createBrowserProblem, findBrowserRefusal } from './ui/browser-request.ts';
import { eventsPath, parseSessionCookie, sessionPaths } from './ui/cookie.ts';

// The edge of the API: token, limit, metrics and log of every request, before its route. Every
// refusal is a problem.

/** The longest address of ours, with a cursor, is below 1 kB. */
const urlMax = 8 * 1024;

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.status === 503) void reply.header('retry-after', computeRetryAfterS(problem));
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
  void reply.header('cache-control', 'no-store');
  return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
}

/** A wrong clock is corrected in minutes, an outage of the database in seconds. */
const computeRetryAfterS = ({ type }: Problem): string =>
  /:(clock_suspect|commits_lost)$/.test(type) ? '60' : '1';

/** The dashboard; undefined: cookies have no effect. */
export interface UiEdge {
  /** The host name of `ui.url`; undefined: names of loopback only. */
  readonly host: string | undefined;
}

/** A sign-in replaces a cookie, so an old one does not refuse it. */
const acceptsCookie = ({ method, routeOptions: { url = '' } }: FastifyRequest): boolean =>
  url.startsWith('/v1/') || (sessionPaths.includes(url) && method !== 'POST');

/** The state of the edge: holders of requests, limits and figures. */
export class RequestEdge {
  readonly holders = new WeakMap<FastifyRequest, RequestHolder>();
  readonly #context: RouteContext;
  readonly #limits: RequestLimits;
  readonly #metrics: Metrics;
  readonly #ui: UiEdge | undefined;
  readonly #refused: Readonly<Record<'tokens' | 'sessions' | 'origins' | 'roles', RefusalLog>>;
  /** Requests with a refused token or cookie, which have a limit of their own. */
  readonly #refusedRequests = new WeakSet<FastifyRequest>();
  readonly #stopwatches = new WeakMap<FastifyRequest, () => number>();

  constructor(kit: RouteContext, limits: RequestLimits, metrics: Metrics, ui?: UiEdge) {
    this.#context = kit;
    this.#limits = limits;
    this.#metrics = metrics;
    this.#ui = ui;
    this.#refused = {
      tokens: new RefusalLog(kit.log, 'token refused'),
      sessions: new RefusalLog(kit.log, 'session refused'),
      origins: new RefusalLog(kit.log, 'cross-site request refused'),
      roles: new RefusalLog(kit.log, 'role refused'),
    };
  }

  /** Hooks of every request, also of an unknown path. */
  registerHooks(server: FastifyInstance): void {
    server.addHook('onRequest', async (request, reply) => {
      this.#stopwatches.set(request, stopwatch());
      void reply.header('cache-control', 'no-store');
      if (request.raw.httpVersion === '1.1' && request.headers.host === undefined) {
        throw new ProblemError(createProblem('bad_request', 400, 'the header Host is missing'));
      }
      if (request.url.length > urlMax) {
        throw new ProblemError(createProblem('uri_too_long', 414, 'the address is over 8 kB'));
      }
      const refusal = await this.#identify(request);
      this.#applyLimit(request, reply);
      if (refusal !== undefined) throw refusal;
    });
    server.addHook('onResponse', async (request, reply) => {
      const tookMs = this.#stopwatches.get(request)?.() ?? 0;
      const fields = { ...toLogFields(request), status: reply.statusCode };
      // A stream lasts as long as its page.
      const tookS = fields.route === eventsPath ? undefined : tookMs / secondMs;
      this.#metrics.requests.observe(fields, tookS);
      const holder = this.holders.get(request)?.id;
      this.#context.log.debug({ ...fields, tookMs: Math.round(tookMs), holder }, 'answered');
    });
  }

  /** @returns the refusal of a request that is not of the dashboard, but has its cookie */
  async #identify(request: FastifyRequest): Promise<ProblemError | undefined> {
    // A probe is answered without the database, with any headers.
    if (isProbe(request)) return undefined;
    const token = parseBearerToken(request);
    if (token !== undefined) {
      const holder = await findTokenHolder(this.#context.db, token);
      if (holder !== undefined) this.holders.set(request, toTokenRights(holder));
      else this.#refuse(request, 'tokens', parseTokenId(token));
      return undefined;
    }
    const cookie = parseSessionCookie(request.headers.cookie);
    if (this.#ui === undefined || cookie === undefined || !acceptsCookie(request)) return undefined;
    const id = parseTokenId(cookie, 'prs');
    const refusal = findBrowserRefusal(request.headers, this.#ui.host);
    if (refusal !== undefined) {
      this.#refuse(request, 'origins', id);
      return createBrowserProblem(refusal);
    }
    const session = await findSession(this.#context.db, cookie);
    if (session !== undefined) this.holders.set(request, toSessionRights(session));
    else this.#refuse(request, 'sessions', id);
    return undefined;
  }

  #refuse(request: FastifyRequest, what: 'tokens' | 'sessions' | 'origins', id?: string): void {
    this.#refusedRequests.add(request);
    this.#refused[what].add(toClientAddress(request), id, toLogFields(request).route);
  }

  /** @throws ProblemError `too_many_requests` */
  #applyLimit(request: FastifyRequest, reply: FastifyReply): void {
    const isRefused = this.#refusedRequests.has(request);
    const counted = this.#limits.count(request, this.holders.get(request), isRefused);
    if (counted === undefined) return;
    const { max, remaining, resetS, isExceeded } = counted;
    void reply.headers({
      'x-ratelimit-limit': max,
      'x-ratelimit-remaining': remaining,
      'x-ratelimit-reset': resetS,
    });
    if (!isExceeded) return;
    void reply.header('retry-after', resetS);
    const detail = `more than ${max} requests per minute; retry in ${resetS} s`;
    throw new ProblemError(createProblem('too_many_requests', 429, detail));
  }

  answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { problem, fault } = toThrownProblem(error);
    logFault(this.#context, request, problem, fault);
    return sendProblem(reply, problem);
  }

  /** For an address that the router refuses, because no hook has run. */
  answerRouterError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const { problem } = toThrownProblem(error);
    const counted = this.#limits.count(request, undefined, false);
    const exceeded = createProblem('too_many_requests', 429, 'too many requests');
    const response = counted?.isExceeded === true ? exceeded : problem;
    this.#metrics.requests.observe({ ...toLogFields(request), status: response.status });
    void sendProblem(reply, response);
  }

  /** Logs a request whose holder lacks the scope of the route. */
  logForbidden(request: FastifyRequest): void {
    const { route } = toLogFields(request);
    this.#refused.roles.add(toClientAddress(request), this.holders.get(request)?.id, route);
  }

  /** The answer to bytes that are not a request. */
  countRawResponse(status: number): void {
    this.#metrics.requests.observe({ method: '(none)', route: '(none)', status });
  }
}

const toLogFields = (request: FastifyRequest) => ({
  method: request.method,
  // The pattern of the route, because the address may contain a secret.
  route: request.routeOptions?.url ?? '(none)',
});

/** Logs a fault of the server with its cause. A refusal quotes its input, so it is not logged. */
function logFault(
  { log }: RouteContext,
  request: FastifyRequest,
  { status, type }: Problem,
  fault: Fault | undefined,
): void {
  const fields = { ...toLogFields(request), status, code: fault?.code ?? type };
  if (status < 500) log.debug(fields, 'refused');
  // An outage affects every request. A short line for each keeps the disk from filling.
  else if (status === 503) log.warn({ ...fields, reason: fault?.message }, outageMessages.requests);
  else log.error({ ...fields, err: fault }, 'request failed');
}
