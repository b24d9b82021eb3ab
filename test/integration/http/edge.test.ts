import { expect, test } from 'vitest';
import { readClock } from '../../../src/db/clock.ts';
import { routes } from '../../../src/http/routes/index.ts';
import { createToken } from '../../../src/tokens/store.ts';
import { recordRun } from '../../support/alarms.ts';
import { createKey, startApi, type TestApi } from '../../support/api.ts';
import { expectFault } from '../../support/faults.ts';
import { addCustomer, buyPlan, createSubscriber } from '../../support/shop.ts';
import { sendRaw } from './raw-request.ts';

// The edge of the API: each error is a problem, limits are separate, and scopes restrict tokens.

/** The status and the problem of the answer to raw bytes; its text if it is not a problem. */
async function sendRawRequest(
  api: TestApi,
  text: string,
): Promise<{ status: number; json: unknown }> {
  const { head, body } = await sendRaw(api, text);
  const isProblem = /application\/problem\+json/.test(head) && /no-store/.test(head);
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
  return { status, json: isProblem ? JSON.parse(body) : `${head}\r\n\r\n${body}` };
}

test('each answer to a malformed request is a problem with a text of this API', async () => {
  const api = await startApi({ requestMs: 300 });
  const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`;
  const closed = 'connection: close\r\n';
  const post = 'POST /v1/customers HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
  const cases: readonly [string, string, number, string][] = [
    ['a bad %', get('/v1/plans/%zz', closed), 400, 'bad_request'],
    ['a long part', get(`/v1/customers/${'7'.repeat(300)}`, closed), 414, 'uri_too_long'],
    ['a long address', get(`/v1/plans?x=${'y'.repeat(9_000)}`, closed), 414, 'uri_too_long'],
    ['long headers', get('/', `x: ${'y'.repeat(20_000)}\r\n`), 431, 'headers_too_long'],
    ['no HTTP', 'what is this\r\n\r\n', 400, 'bad_request'],
    ['an expectation', get('/', `expect: magic\r\n${closed}`), 417, 'bad_expectation'],
    ['a head that never ends', 'GET / HTTP/1.1\r\nhost:', 408, 'request_timeout'],
    ['a body that never ends', `${post}content-length: 9\r\n\r\n{`, 408, 'request_timeout'],
  ];
  for (const [what, text, status, code] of cases) {
    const answer = await sendRawRequest(api, text);
    expect(answer, what).toMatchObject({
      status,
      json: { type: `urn:perennial:problem:${code}`, status, detail: expect.any(String) },
    });
    expect(JSON.stringify(answer.json), what).not.toMatch(/FST_|fastify|HPE_|undefined/i);
  }
});

test('a known path with another method gets 405 with Allow, an unknown path gets 404', async () => {
  const { send } = await startApi();
  for (const [method, path, allow] of [
    ['DELETE', '/v1/customers/7', 'GET, HEAD, PATCH'],
    ['GET', '/v1/customers/7/purchases', 'POST'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['PUT', '/sub/abc', 'GET, HEAD'],
    ['OPTIONS', '/v1/plans', 'GET, HEAD'],
  ] as const) {
    const answer = await send(method, path);
    expect([answer.status, answer.headers.get('allow')], path).toEqual([405, allow]);
    expect(answer.json.type).toBe('urn:perennial:problem:bad_method');
  }
  expect((await send('DELETE', '/v1/nothing')).status).toBe(404);
});

test('an unknown query parameter is refused with its name and the available ones', async () => {
  const { send } = await startApi();
  const misspelt = await send('GET', '/v1/notices?kinds=receipt&limit=5');
  expect([misspelt.status, misspelt.json.type, misspelt.json.detail]).toEqual([
    400,
    'urn:perennial:problem:unknown_parameter',
    'query.kinds: there is no such parameter; available: limit, cursor, telegram_id, state, kind',
  ]);
  const none = await send('GET', '/v1/nodes?limit=5');
  expect(none.json.detail).toMatch(/this route has none/);
  const twice = await send('GET', '/v1/notices?limit=5&limit=6');
  expect([twice.status, twice.json.detail]).toEqual([
    400,
    'query.limit: is given more than once, or is a list',
  ]);
});

test('answers are not stored, HSTS is not sent over plain HTTP, and `bearer` has no case', async () => {
  const { send, tokens } = await startApi();
  for (const path of ['/v1/plans', '/healthz', '/openapi.json', '/metrics', '/nothing', '/sub/x']) {
    const { headers } = await send('GET', path);
    expect(headers.get('cache-control'), path).toBe('no-store');
    expect(headers.get('strict-transport-security'), path).toBeNull();
  }
  for (const scheme of ['bearer', 'BEARER', 'Bearer ']) {
    const headers = { authorization: `${scheme} ${tokens.read}` };
    expect((await send('GET', '/v1/plans', { token: '', headers })).status).toBe(200);
  }
});

test('probes, links, refused tokens and other requests have separate limits', async () => {
  const requests = { perAddressMax: 3, refusedTokensMax: 3, linksMax: 3 };
  const { send, database, tokens } = await startApi({ requests });
  await createSubscriber(database, 7n, 0n);
  const { json } = await send('GET', '/v1/customers/7');
  const statuses = async (path: string, token = '') => {
    const all: number[] = [];
    for (let n = 0; n < 5; n += 1) all.push((await send('GET', path, { token })).status);
    return all;
  };
  expect(await statuses('/nothing')).toEqual([404, 404, 404, 429, 429]);
  expect(await statuses('/v1/plans')).toEqual([429, 429, 429, 429, 429]);
  expect(await statuses('/%zz')).toEqual([429, 429, 429, 429, 429]);
  expect(await statuses('/v1/plans', 'guess')).toEqual([401, 401, 401, 429, 429]);
  expect(await statuses(`/sub/${json.sub_token}`)).toEqual([200, 200, 200, 429, 429]);
  expect(await statuses('/healthz')).toEqual([200, 200, 200, 200, 200]);
  expect(await statuses('/readyz')).toEqual([200, 200, 200, 200, 200]);
  expect(await statuses('/v1/plans', tokens.read)).toEqual([200, 200, 200, 200, 200]);
});

test('a forwarded address counts only if its proxy is trusted, and then by its network', async () => {
  const forwarded = async (api: TestApi, address: string) => {
    const headers = { 'x-forwarded-for': address };
    return (await api.send('GET', '/nothing', { token: '', headers })).status;
  };
  const requests = { perAddressMax: 1 };
  const direct = await startApi({ requests });
  expect(await forwarded(direct, '10.0.0.1')).toBe(404);
  expect(await forwarded(direct, '10.0.0.2')).toBe(429);
  const proxied = await startApi({ requests, trustedProxies: ['loopback'] });
  expect(await forwarded(proxied, '10.0.0.1')).toBe(404);
  expect(await forwarded(proxied, '10.0.0.2')).toBe(404);
  expect(await forwarded(proxied, '10.0.0.1')).toBe(429);
  // A client can put an address before the one that the proxy adds.
  expect(await forwarded(proxied, '10.9.9.9, 10.0.0.1')).toBe(429);
  expect(await forwarded(proxied, '2001:db8:0:1::1')).toBe(404);
  expect(await forwarded(proxied, '2001:db8:0:1::2')).toBe(429);
});

test('requests are counted and timed by route and status, without a secret in a label', async () => {
  const { send, database, tokens, log } = await startApi();
  await createSubscriber(database, 7n, 0n);
  await send('GET', '/v1/customers/7');
  await send('GET', '/sub/geheimgeheimgeheim', { token: '' });
  await send('GET', '/no/geheim', { token: `prn_AbCd1234${'0'.repeat(38)}` });
  await send('GET', '/%zz', { token: '' });
  const { text } = await send('GET', '/metrics', { token: tokens.metrics });
  const labels = 'method="GET",route="/v1/customers/:telegram_id",status="200"';
  expect(text).toContain(`perennial_http_requests_total{${labels}} 1`);
  expect(text).toContain(`perennial_http_request_duration_seconds_count{${labels}} 1`);
  expect(text).toContain('route="/sub/:token",status="404"} 1');
  expect(text).toContain('{method="GET",route="(none)",status="404"} 1');
  expect(text).not.toContain('geheim');
  const refused = JSON.parse(
    log()
      .split('\n')
      .find((line) => line.includes('token refused')) ?? '',
  );
  expect(refused).toMatchObject({ level: 'warn', address: '127.0.0.1', route: '(none)' });
});

test('the OpenAPI document shares its objects, and each reference to an object exists', async () => {
  const { send } = await startApi();
  const { json } = await send('GET', '/openapi.json', { token: '' });
  const inline = JSON.stringify(json.paths).match(/"properties":/g) ?? [];
  expect(inline).toHaveLength(0);
  const refs = JSON.stringify(json).match(/#\/components\/schemas\/\w+/g) ?? [];
  for (const ref of refs)
    expect(json.components.schemas).toHaveProperty(ref.split('/').at(-1) ?? '');
});

test('the scope `read` gives no link, UUID or subscription token, on any route', async () => {
  const { send, database, tokens } = await startApi();
  await database.pool.query(`UPDATE perennial.node SET link = link || '{"port": 443}'`);
  const id = await createSubscriber(database, 7n, 0n);
  const { json } = await send('GET', '/v1/customers/7', { token: tokens.sell });
  const [{ credential }] = json.subscriptions;
  await database.pool.query(`
    UPDATE perennial.node SET last_error = 'User perennial-${credential} already exists.'`);
  const secrets = [credential, json.sub_token, json.links[0].link];
  expect(secrets.every((secret) => typeof secret === 'string')).toBe(true);
  const run = await recordRun(database, await readClock(database.db), 'failed');
  const job = await send('POST', '/v1/bulk-jobs', {
    key: createKey(),
    body: { action: 'grant', days: 1, where: { state: 'active' } },
  });
  const rowIds = { '/v1/runs/': run, '/v1/bulk-jobs/': job.json.id };
  const reads = routes.filter(({ method, scope }) => method === 'GET' && scope === 'read');
  for (const { path } of reads) {
    const [, rowId = id] = Object.entries(rowIds).find(([prefix]) => path.startsWith(prefix)) ?? [];
    const filled = path.replace('{telegram_id}', '7').replace('{id}', String(rowId));
    const query = path === '/v1/quote' ? '?telegram_id=7&plan=basic&period_days=30' : '';
    const answer = await send('GET', `${filled}${query}`, { token: tokens.read });
    expect(answer.status, path).toBe(200);
    for (const secret of secrets) expect(answer.text, path).not.toContain(secret);
  }
});

test('a subscription under another customer is as unknown as one that does not exist', async () => {
  const { send, database } = await startApi();
  const id = await createSubscriber(database, 7n, 500_00n);
  await addCustomer(database, 8n, { balanceMinor: 500_00n });
  const under = routes.filter(({ path }) => path.includes('{telegram_id}/subscriptions/{id}'));
  // A preview has only the form under a customer. It changes nothing, so it comes first.
  const isPreview = ({ path }: { path: string }) => path.endsWith('/preview');
  const changes = under.filter((route) => !isPreview(route));
  expect(changes.map(({ method }) => method).sort()).toEqual(
    routes
      .filter(({ path }) => path.startsWith('/v1/subscriptions/'))
      .map(({ method }) => method)
      .sort(),
  );
  const bodies: Readonly<Record<string, unknown>> = {
    '{id}': { auto_renew: false },
    'change-plan': { plan: 'plus', period_days: 30, when: 'now' },
    grant: { days: 1 },
    revoke: { reason: 'asked' },
  };
  for (const { method, path } of [...under.filter(isPreview), ...changes]) {
    // A preview takes the body of its change.
    const change =
      path
        .replace(/\/preview$/, '')
        .split('/')
        .at(-1) ?? '';
    const body = method === 'GET' ? undefined : bodies[change];
    const asked = async (customer: number, subscription: string) => {
      const filled = path.replace('{telegram_id}', `${customer}`).replace('{id}', subscription);
      return send(method, filled, { key: createKey(), ...(body === undefined ? {} : { body }) });
    };
    const foreign = await asked(8, `${id}`);
    const absent = await asked(8, '999');
    expect([foreign.status, foreign.json.type]).toEqual([404, absent.json.type]);
    expect(foreign.json.detail).toBe(`subscription_id: "${id}" is not a subscription`);
    if (path.endsWith('revoke')) continue;
    expect((await asked(7, `${id}`)).status, path).toBeLessThan(300);
  }
});

test('a key belongs to its token, the timeline names the token, and its name is unique', async () => {
  const { send, database, tokens } = await startApi();
  await addCustomer(database, 7n);
  const key = createKey();
  for (const token of [tokens.sell, tokens.admin]) {
    const answer = await send('POST', '/v1/customers/7/top-ups', {
      token,
      key,
      body: { amount: '1' },
    });
    expect(answer.status).toBe(201);
  }
  const { json } = await send('GET', '/v1/customers/7/timeline');
  const actors = json.items.map(({ actor }: { actor: string }) => actor);
  expect(actors.slice(0, 2)).toEqual([
    `api:test admin/${tokens.admin.slice(4, 12)}`,
    `api:test sell/${tokens.sell.slice(4, 12)}`,
  ]);
  const order = { scopes: ['read'] as const, lastsMs: undefined };
  for (const name of ['test sell', 'Test SELL']) {
    await expectFault(createToken(database.db, { ...order, name }, 'test'), 'name_taken');
  }
  await expectFault(createToken(database.db, { ...order, name: 'a\nb' }, 'test'), 'bad_name');
  const both = await Promise.allSettled(
    [1, 2].map(() => createToken(database.db, { ...order, name: 'twin' }, 'test')),
  );
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});

test('purchase, trial and reissue answer with the links, and a repeated key with the same', async () => {
  const { send, database, tokens } = await startApi();
  await database.pool.query(`UPDATE perennial.node SET link = link || '{"port": 443}'`);
  await addCustomer(database, 7n, { balanceMinor: 500_00n });
  const token = tokens.sell;
  const order = { plan: 'basic', period_days: 30 };
  const steps: readonly [path: string, body?: object][] = [
    ['/v1/customers/7/trial'],
    ['/v1/customers/7/purchases', { ...order, if_expires_at: '2026-11-27T12:00:00+03:00' }],
    ['/v1/customers/7/subscriptions/1/reissue'],
  ];
  for (const [path, body] of steps) {
    const key = createKey();
    const asked = () => send('POST', path, { token, key, ...(body === undefined ? {} : { body }) });
    const first = await asked();
    expect(first.status, first.text).toBeLessThan(300);
    const { json } = await send('GET', '/v1/customers/7', { token });
    expect(first.json).toMatchObject({ sub_token: json.sub_token, links: json.links });
    expect((await asked()).text).toBe(first.text);
  }
});

test('a condition that no longer holds gives 409, and values beyond their columns give 422', async () => {
  const { send, database } = await startApi();
  const id = await createSubscriber(database, 7n, 500_00n);
  const did = async (path: string, body: object, method = 'POST') => {
    const { status, json } = await send(method, path, { key: createKey(), body });
    return [status, String(json.type).replace('urn:perennial:problem:', '')];
  };
  const stale = { if_expires_at: '2026-12-24T09:00:00.001Z' };
  const order = { plan: 'basic', period_days: 30 };
  const own = `/v1/customers/7/subscriptions/${id}`;
  const changed = [409, 'expires_at_changed'];
  expect(await did('/v1/customers/7/purchases', { ...order, ...stale })).toEqual(changed);
  expect(await did('/v1/customers/7/purchases', { ...order, if_expires_at: null })).toEqual(
    changed,
  );
  expect(await did(`${own}/change-plan`, { ...order, when: 'now', ...stale })).toEqual(changed);
  expect(await did(`${own}/grant`, { days: 1, ...stale })).toEqual(changed);
  expect(await did(own, { auto_renew: false, ...stale }, 'PATCH')).toEqual(changed);
  const next = { next: { plan: 'plus', period_days: 30 } };
  expect(await did(own, { ...next, price: '1.00' }, 'PATCH')).toEqual([409, 'price_changed']);
  const late = { ...order, if_expires_at: '+010000-01-01T00:00:00Z' };
  expect((await did('/v1/customers/7/purchases', late))[0]).toBe(422);
  const amount = '92233720368547758.08';
  expect((await did('/v1/customers/7/top-ups', { amount }))[0]).toBe(422);
  await database.pool.query(`UPDATE perennial.subscription SET expires_at = '9999-12-30Z'`);
  expect(await did(`${own}/grant`, { days: 3 })).toEqual([422, 'end_too_late']);
  expect(await did('/v1/customers/7/purchases', order)).toEqual([422, 'end_too_late']);
  const query = `telegram_id=7&plan=basic&period_days=30&subscription_id=${id}`;
  expect((await send('GET', `/v1/quote?${query}`)).status).toBe(422);
});

test('no detail of a refusal names an option of the command line', async () => {
  const { send, database } = await startApi();
  const id = await createSubscriber(database, 7n, 500_00n);
  await buyPlan(database, 7n, { isNew: true, plan: 'mini' });
  const order = { plan: 'plus', period_days: 30 };
  const asked = async (path: string, body: object) =>
    (await send('POST', path, { key: createKey(), body })).json.detail as string;
  const details = [
    await asked('/v1/customers/7/purchases', order),
    await asked('/v1/customers/7/purchases', { ...order, subscription_id: Number(id) }),
    await asked('/v1/customers/7/purchases', { ...order, plan: 'none' }),
    await asked('/v1/customers/7/refunds', { period_id: 99, part: 'whole' }),
    await asked('/v1/customers/7/top-ups', { amount: '-5' }),
    await asked('/v1/notices/99/cancel', {}),
    await asked('/v1/customers/7/trial', {}),
  ];
  for (const detail of details) expect(detail).not.toMatch(/ --\w|"?perennial \w/);
  expect(details[0]).toMatch(/subscription_id$/);
});
