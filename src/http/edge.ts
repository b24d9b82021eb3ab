import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { outageMessages } from '../db/outage.ts';
import type { Fault } from '../kernel/faults.ts';
import { secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { findTokenHolder, type TokenHolder } from '../tokens/store.ts';
import { parseTokenId } from '../tokens/token.ts';
import { isProbe, type RequestLimits, toClientAddress } from './limits.ts';
import type { Metrics } from './metrics.ts';
import { createProblem, type Problem, ProblemError, toThrownProblem } from './problem.ts';
import { RefusedTokens } from './refused-tokens.ts';
import { parseBearerToken } from './request.ts';
import type { RouteContext } from './route.ts';

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

/** The state of the edge: holders of requests, limits and figures. */
export class RequestEdge {
  readonly holders = new WeakMap<FastifyRequest, TokenHolder>();
  readonly #context: RouteContext;
  readonly #limits: RequestLimits;
  readonly #metrics: Metrics;
  readonly #refusedTokens: RefusedTokens;
  readonly #stopwatches = new WeakMap<FastifyRequest, () => number>();

  constructor(kit: RouteContext, limits: RequestLimits, metrics: Metrics) {
    this.#context = kit;
    this.#limits = limits;
    this.#metrics = metrics;
    this.#refusedTokens = new RefusedTokens(kit.log);
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
      await this.#identify(request);
      this.#applyLimit(request, reply);
    });
    server.addHook('onResponse', async (request, reply) => {
      const tookMs = this.#stopwatches.get(request)?.() ?? 0;
      const fields = { ...toLogFields(request), status: reply.statusCode };
      this.#metrics.requests.observe(fields, tookMs / secondMs);
      const holder = this.holders.get(request)?.id;
      this.#context.log.debug({ ...fields, tookMs: Math.round(tookMs), holder }, 'answered');
    });
  }

  async #identify(request: FastifyRequest): Promise<void> {
    const token = parseBearerToken(request);
    // A probe is answered without the database, with any headers.
    if (token === undefined || isProbe(request)) return;
    const holder = await findTokenHolder(this.#context.db, token);
    if (holder !== undefined) this.holders.set(request, holder);
    else
      this.#refusedTokens.add(
        toClientAddress(request),
        parseTokenId(token),
        toLogFields(request).route,
      );
  }

  /** @throws ProblemError `too_many_requests` */
  #applyLimit(request: FastifyRequest, reply: FastifyReply): void {
    const hasToken = parseBearerToken(request) !== undefined;
    const counted = this.#limits.count(request, this.holders.get(request), hasToken);
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
