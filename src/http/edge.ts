import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Fault } from '../kernel/faults.ts';
import { secondMs } from '../kernel/instant.ts';
import { stopwatch } from '../kernel/stopwatch.ts';
import { type Holder, holderOf } from '../tokens/store.ts';
import { tokenIdOf } from '../tokens/token.ts';
import { addressOf, isProbe, type RequestLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import { type Problem, ProblemError, problemOf, thrownProblem } from './problem.ts';
import { RefusedTokens } from './refused-tokens.ts';
import { bearerOf } from './request.ts';
import type { Kit } from './route.ts';

// Every request passes here before a route takes it: its token, its limit, its place in the figures
// and in the log. Every refusal leaves here as a problem.

/** The longest address of ours, with a cursor, is below 1 kB. */
const urlMax = 8 * 1024;

export function answerProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.status === 503) void reply.header('retry-after', retryAfterS(problem));
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
  void reply.header('cache-control', 'no-store');
  return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
}

/** A wrong clock is corrected in minutes, an outage of the database in seconds. */
const retryAfterS = ({ type }: Problem): string =>
  /:(clock_suspect|commits_lost)$/.test(type) ? '60' : '1';

/** The state of the edge: holders of requests, limits and figures. */
export class Edge {
  readonly holders = new WeakMap<FastifyRequest, Holder>();
  readonly #kit: Kit;
  readonly #limits: RequestLimits;
  readonly #metrics: Metrics;
  readonly #refused: RefusedTokens;
  readonly #begun = new WeakMap<FastifyRequest, () => number>();

  constructor(kit: Kit, limits: RequestLimits, metrics: Metrics) {
    this.#kit = kit;
    this.#limits = limits;
    this.#metrics = metrics;
    this.#refused = new RefusedTokens(kit.log);
  }

  /** Hooks of every request, also of an unknown path. */
  watch(server: FastifyInstance): void {
    server.addHook('onRequest', async (request, reply) => {
      this.#begun.set(request, stopwatch());
      void reply.header('cache-control', 'no-store');
      if (request.raw.httpVersion === '1.1' && request.headers.host === undefined) {
        throw new ProblemError(problemOf('bad_request', 400, 'the header Host is missing'));
      }
      if (request.url.length > urlMax) {
        throw new ProblemError(problemOf('uri_too_long', 414, 'the address is over 8 kB'));
      }
      await this.#identify(request);
      this.#limit(request, reply);
    });
    server.addHook('onResponse', async (request, reply) => {
      const tookMs = this.#begun.get(request)?.() ?? 0;
      const about = { ...aboutOf(request), status: reply.statusCode };
      this.#metrics.requests.observe(about, tookMs / secondMs);
      const holder = this.holders.get(request)?.id;
      this.#kit.log.debug({ ...about, tookMs: Math.round(tookMs), holder }, 'answered');
    });
  }

  async #identify(request: FastifyRequest): Promise<void> {
    const token = bearerOf(request);
    // A probe is answered without the database, whatever its headers are.
    if (token === undefined || isProbe(request)) return;
    const holder = await holderOf(this.#kit.db, token);
    if (holder !== undefined) this.holders.set(request, holder);
    else this.#refused.add(addressOf(request), tokenIdOf(token), aboutOf(request).route);
  }

  /** @throws ProblemError `too_many_requests` */
  #limit(request: FastifyRequest, reply: FastifyReply): void {
    const hasToken = bearerOf(request) !== undefined;
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
    const detail = `more than ${max} requests a minute; ask again in ${resetS} s`;
    throw new ProblemError(problemOf('too_many_requests', 429, detail));
  }

  fail(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const { problem, fault } = thrownProblem(error);
    logFault(this.#kit, request, problem, fault);
    return answerProblem(reply, problem);
  }

  /** For an address that the router refuses: no hook has run. */
  failBeforeHooks(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const { problem } = thrownProblem(error);
    const counted = this.#limits.count(request, undefined, false);
    const exceeded = problemOf('too_many_requests', 429, 'too many requests');
    const answer = counted?.isExceeded === true ? exceeded : problem;
    this.#metrics.requests.observe({ ...aboutOf(request), status: answer.status });
    void answerProblem(reply, answer);
  }

  /** An answer to what never became a request. */
  countRaw(status: number): void {
    this.#metrics.requests.observe({ method: '(none)', route: '(none)', status });
  }
}

const aboutOf = (request: FastifyRequest) => ({
  method: request.method,
  // The pattern, not the address: that may hold a secret.
  route: request.routeOptions?.url ?? '(none)',
});

/** Our own trouble, with its cause. A refusal's sentence quotes what was sent: not in a log. */
function logFault(
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
