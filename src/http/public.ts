import type { FastifyInstance, FastifyRequest } from 'fastify';
import { feedOf } from '../catalog/feed.ts';
import { type Holder, holderOf } from '../tokens/store.ts';
import { mayDo } from '../tokens/token.ts';
import { Metrics } from './metrics.ts';
import { problemOf } from './problem.ts';
import type { Kit } from './route.ts';

// What is no part of the API proper: whether we live, numbers for Prometheus, and the subscription
// URL, whose secret is in its path.

export function openPlaces(
  server: FastifyInstance,
  { db }: Kit,
  holderBehind: (request: FastifyRequest) => Holder | undefined,
): void {
  // Lives: this process answers. Ready: it can reach the books.
  server.get('/healthz', (_, reply) => reply.send({ status: 'ok' }));
  server.get('/readyz', async (_, reply) => {
    await holderOf(db, probe);
    return reply.send({ status: 'ready' });
  });

  const metrics = new Metrics(db);
  server.get('/metrics', async (request, reply) => {
    const holder = holderBehind(request);
    if (holder === undefined || !mayDo(holder.scopes, 'read')) {
      const problem = problemOf('unauthorized', 401, 'needs a token with the scope read');
      return reply
        .code(401)
        .header('www-authenticate', 'Bearer')
        .type('application/problem+json')
        .send(JSON.stringify(problem));
    }
    return reply.type(metrics.contentType).send(await metrics.text());
  });

  server.get<{ Params: { token: string } }>('/sub/:token', async (request, reply) => {
    const { token } = request.params;
    // PostgreSQL has no text with a NUL: nobody's.
    const feed = await feedOf(db, token.includes('\0') ? '' : token);
    // Nothing in between may keep a secret's answer.
    void reply.headers({ 'cache-control': 'no-store', 'x-robots-tag': 'noindex' });
    if (feed === undefined) return reply.code(404).type('text/plain; charset=utf-8').send('');
    return reply
      .headers({
        'subscription-userinfo': `upload=0; download=0; total=0; expire=${feed.expireS}`,
        'profile-update-interval': '12',
        'profile-title': `base64:${Buffer.from(feed.title).toString('base64')}`,
        'content-disposition': `attachment; filename="${feed.fileName}"`,
      })
      .type('text/plain; charset=utf-8')
      .send(feed.body);
  });
}

/** The shape of a token that nobody has: asking for it asks the books. */
const probe = 'prn_0000000000000000000000000000000000000000';
