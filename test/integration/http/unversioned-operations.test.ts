import { expect, test } from 'vitest';
import { createOpenApiDocument } from '../../../src/http/openapi.ts';
import { routes } from '../../../src/http/routes/index.ts';
import { unversionedPaths } from '../../../src/http/unversioned-routes.ts';
import { startApi } from '../../support/api.ts';
import { addCustomer } from '../../support/shop.ts';

// The routes without a version in the OpenAPI document.

type Answers = Record<string, { content: Record<string, object>; headers?: object }>;
type Paths = Record<string, Record<string, { responses: Answers; security: object[] }>>;

const document = createOpenApiDocument(routes) as { paths: Paths };

test.for(unversionedPaths)('the document describes $method $path', ({ method, path }) => {
  expect(document.paths[path]?.[method.toLowerCase()]).toBeDefined();
});

test('the document has each answer of a route without a version', async () => {
  const { send, tokens, database } = await startApi();
  await addCustomer(database, 1n);
  const { rows } = await database.pool.query('SELECT sub_token FROM perennial.customer LIMIT 1');
  const secret = String(rows[0]?.sub_token);
  const requests: readonly (readonly [path: string, url: string, token: string, status: number])[] =
    [
      ['/healthz', '/healthz', '', 200],
      ['/healthz', '/healthz?x=1', '', 400],
      ['/healthz', '/healthz', 'POST', 405],
      ['/readyz', '/readyz', '', 200],
      ['/readyz', '/readyz?x=1', '', 400],
      ['/openapi.json', '/openapi.json', '', 200],
      ['/metrics', '/metrics', '', 401],
      ['/metrics', '/metrics', tokens.metrics, 200],
      ['/metrics', '/metrics', tokens.read, 200],
      ['/sub/{token}', `/sub/${secret}`, '', 200],
      ['/sub/{token}', '/sub/unknown', '', 404],
      ['/sub/{token}/', `/sub/${secret}/`, '', 200],
    ];
  for (const [path, url, token, status] of requests) {
    const method = token === 'POST' ? 'POST' : 'GET';
    const answer = await send(method, url, { token: token === 'POST' ? '' : token });
    expect([url, answer.status]).toEqual([url, status]);
    const described = document.paths[path]?.get?.responses[String(status)];
    const mediaType = answer.headers.get('content-type')?.split(';')[0] ?? '';
    expect([url, Object.keys(described?.content ?? {})]).toEqual([url, [mediaType]]);
    if (described?.headers === undefined) continue;
    const own = ['subscription-userinfo', 'profile-title', 'profile-update-interval'];
    for (const name of own) expect(answer.headers.has(name)).toBe(true);
    expect(Object.keys(described.headers)).toEqual(expect.arrayContaining(own));
  }
});

test('only `/metrics` needs a token', () => {
  const withToken = unversionedPaths.filter(
    ({ path }) => (document.paths[path]?.get?.security ?? []).length > 0,
  );
  expect(withToken.map(({ path }) => path)).toEqual(['/metrics']);
});
