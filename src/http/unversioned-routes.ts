import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readFeed, type SubscriptionFeed } from '../catalog/subscription-feed.ts';
import type { Texts } from '../notifications/texts.ts';
import { hasScope } from '../tokens/token.ts';
import type { RequestHolder } from './holder.ts';
import type { Metrics } from './metrics.ts';
import { createProblem, type Problem } from './problem.ts';
import type { Readiness } from './readiness.ts';
import { checkParameters } from './request.ts';
import type { RouteContext } from './route.ts';
import { openOperations } from './unversioned-operations.ts';

// The routes without a version: probes, metrics for Prometheus, and the subscription URL with its
// secret path.

/** Their paths, for the header `Allow`. */
export const unversionedPaths = openOperations.map(({ path }) => ({ method: 'GET', path }));

export interface UnversionedRouteOptions {
  readonly context: RouteContext;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly document: string;
  /** Of entries in subscription URLs. */
  readonly texts: Texts;
  getHolder(request: FastifyRequest): RequestHolder | undefined;
  sendProblem(reply: FastifyReply, problem: Problem): FastifyReply;
}

export function addUnversionedRoutes(
  server: FastifyInstance,
  routes: UnversionedRouteOptions,
): void {
  const { context, metrics, readiness, document } = routes;
  // A subscription URL accepts parameters: clients add their own.
  const preHandler = async (request: FastifyRequest, reply: FastifyReply) => {
    const unknown = checkParameters([], request.query as object);
    return unknown === undefined ? undefined : routes.sendProblem(reply, unknown);
  };
  // Health: this process answers. Readiness: it can serve requests.
  server.get('/healthz', { preHandler }, (_, reply) => reply.send({ status: 'ok' }));
  server.get('/readyz', { preHandler }, async (_, reply) => {
    const reasons = await readiness.check();
    if (reasons.length === 0) return reply.send({ status: 'ready' });
    const errors = reasons.map(({ name, reason }) => ({ place: name, detail: reason }));
    const detail = errors.map((error) => `${error.place}: ${error.detail}`).join('; ');
    return routes.sendProblem(reply, createProblem('not_ready', 503, detail, errors));
  });
  server.get('/openapi.json', { preHandler }, (_, reply) =>
    reply.type('application/json').send(document),
  );

  server.get('/metrics', { preHandler }, async (request, reply) => {
    const holder = routes.getHolder(request);
    if (holder === undefined) {
      const detail = 'needs a valid token with the scope metrics';
      return routes.sendProblem(reply, createProblem('unauthorized', 401, detail));
    }
    if (!hasScope(holder.scopes, 'metrics')) {
      const detail = `needs the scope metrics; the token "${holder.name}" lacks it`;
      return routes.sendProblem(reply, createProblem('forbidden', 403, detail));
    }
    return reply.type(metrics.contentType).send(await metrics.text());
  });

  const sendFeed = async (token: string, reply: FastifyReply) => {
    // PostgreSQL has no text with a NUL, so no token has one.
    const feed = await readFeed(context.reads, routes.texts, token.includes('\0') ? '' : token);
    // A search engine that finds a link must not index it.
    void reply.header('x-robots-tag', 'noindex');
    if (feed === undefined) {
      const detail = 'there is no such subscription URL';
      return routes.sendProblem(reply, createProblem('not_found', 404, detail));
    }
    return reply.headers(toFeedHeaders(feed)).type('text/plain; charset=utf-8').send(feed.body);
  };
  // Some clients and persons append a slash.
  for (const path of ['/sub/:token', '/sub/:token/']) {
    server.get<{ Params: { token: string } }>(path, (request, reply) =>
      sendFeed(request.params.token, reply),
    );
  }
}

/** A header is ASCII; clients decode these two. */
const toBase64Header = (text: string): string => `base64:${Buffer.from(text).toString('base64')}`;

function toFeedHeaders(feed: SubscriptionFeed): Record<string, string> {
  const { announce, supportUrl, webPageUrl } = feed;
  return {
    'subscription-userinfo': `upload=0; download=0; total=0; expire=${feed.expireS}`,
    'profile-update-interval': String(feed.updateHours),
    'profile-title': toBase64Header(feed.title),
    'content-disposition': `attachment; filename="${feed.fileName}"`,
    ...(announce !== undefined && { announce: toBase64Header(announce) }),
    ...(supportUrl !== undefined && { 'support-url': supportUrl }),
    ...(webPageUrl !== undefined && { 'profile-web-page-url': webPageUrl }),
  };
}
