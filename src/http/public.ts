import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Feed, feedOf } from '../catalog/feed.ts';
import type { Texts } from '../notify/texts.ts';
import type { Holder } from '../tokens/store.ts';
import { mayDo } from '../tokens/token.ts';
import type { Metrics } from './metrics.ts';
import { type Problem, problemOf } from './problem.ts';
import type { Readiness } from './readiness.ts';
import { unknownParameter } from './request.ts';
import type { Kit } from './route.ts';

// The routes without a version: probes, figures for Prometheus, and the subscription URL, whose
// secret is in its path.

/** Their paths, for the header `Allow`. */
export const openPaths = [
  ...['/healthz', '/readyz', '/metrics', '/openapi.json'],
  ...['/sub/{token}', '/sub/{token}/'],
].map((path) => ({ method: 'GET', path }));

export interface OpenRoutes {
  readonly kit: Kit;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly document: string;
  /** Of entries in subscription URLs. */
  readonly texts: Texts;
  holderOf(request: FastifyRequest): Holder | undefined;
  answerProblem(reply: FastifyReply, problem: Problem): FastifyReply;
}

export function openRoutes(server: FastifyInstance, routes: OpenRoutes): void {
  const { kit, metrics, readiness, document } = routes;
  // A subscription URL accepts parameters: clients add their own.
  const preHandler = async (request: FastifyRequest, reply: FastifyReply) => {
    const unknown = unknownParameter([], request.query as object);
    return unknown === undefined ? undefined : routes.answerProblem(reply, unknown);
  };
  // Health: this process answers. Readiness: it can serve requests.
  server.get('/healthz', { preHandler }, (_, reply) => reply.send({ status: 'ok' }));
  server.get('/readyz', { preHandler }, async (_, reply) => {
    const reasons = await readiness.ask();
    if (reasons.length === 0) return reply.send({ status: 'ready' });
    const errors = reasons.map(({ name, reason }) => ({ place: name, detail: reason }));
    const detail = errors.map((error) => `${error.place}: ${error.detail}`).join('; ');
    return routes.answerProblem(reply, problemOf('not_ready', 503, detail, errors));
  });
  server.get('/openapi.json', { preHandler }, (_, reply) =>
    reply.type('application/json').send(document),
  );

  server.get('/metrics', { preHandler }, async (request, reply) => {
    const holder = routes.holderOf(request);
    if (holder === undefined) {
      const detail = 'needs a valid token with the scope metrics';
      return routes.answerProblem(reply, problemOf('unauthorized', 401, detail));
    }
    if (!mayDo(holder.scopes, 'metrics')) {
      const detail = `needs the scope metrics; the token "${holder.name}" lacks it`;
      return routes.answerProblem(reply, problemOf('forbidden', 403, detail));
    }
    return reply.type(metrics.contentType).send(await metrics.text());
  });

  const answerFeed = async (token: string, reply: FastifyReply) => {
    // PostgreSQL has no text with a NUL, so no token has one.
    const feed = await feedOf(kit.reads, routes.texts, token.includes('\0') ? '' : token);
    // A search engine that finds a link must not list it.
    void reply.header('x-robots-tag', 'noindex');
    if (feed === undefined) {
      const detail = 'there is no such subscription URL';
      return routes.answerProblem(reply, problemOf('not_found', 404, detail));
    }
    return reply.headers(headersOf(feed)).type('text/plain; charset=utf-8').send(feed.body);
  };
  // Some clients and people put a slash at the end.
  for (const path of ['/sub/:token', '/sub/:token/']) {
    server.get<{ Params: { token: string } }>(path, (request, reply) =>
      answerFeed(request.params.token, reply),
    );
  }
}

/** A header is ASCII; clients decode these two. */
const base64 = (text: string): string => `base64:${Buffer.from(text).toString('base64')}`;

function headersOf(feed: Feed): Record<string, string> {
  const { announce, supportUrl, webPageUrl } = feed;
  return {
    'subscription-userinfo': `upload=0; download=0; total=0; expire=${feed.expireS}`,
    'profile-update-interval': String(feed.updateHours),
    'profile-title': base64(feed.title),
    'content-disposition': `attachment; filename="${feed.fileName}"`,
    ...(announce !== undefined && { announce: base64(announce) }),
    ...(supportUrl !== undefined && { 'support-url': supportUrl }),
    ...(webPageUrl !== undefined && { 'profile-web-page-url': webPageUrl }),
  };
}
