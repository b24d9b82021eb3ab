import { expect, test } from 'vitest';
import { createOpenApiDocument } from '../../../src/http/openapi.ts';
import { routes } from '../../../src/http/routes/index.ts';
import { unversionedPaths } from '../../../src/http/unversioned-routes.ts';
import { hasScope, tokenScopes } from '../../../src/tokens/token.ts';
import { createKey, startApi } from '../../support/api.ts';
import { addBalance, addCustomer, createSubscriber } from '../../support/shop.ts';

// The routes of the API over real HTTP: scopes, effects and answers.

/** A path whose parameters name nothing that exists. */
const fillPath = (path: string) => path.replaceAll(/\{\w+\}/g, '999');

test('each route requires a valid token with its scope or a higher one', async () => {
  const { send, tokens } = await startApi();
  for (const route of routes) {
    const { method, path, scope } = route;
    const key = createKey();
    const bare = await send(method, fillPath(path), {
      token: '',
      key,
      body: method === 'GET' ? undefined : {},
    });
    expect(bare.status, `${route.id} without a token`).toBe(401);
    expect(bare.headers.get('www-authenticate')).toBe('Bearer');
    for (const held of tokenScopes) {
      if (route.id === 'audit' && held === 'admin') continue;
      const answer = await send(method, fillPath(path), {
        token: tokens[held],
        key,
        body: method === 'GET' ? undefined : {},
      });
      const allowed = hasScope([held], scope);
      expect(answer.status === 403, `${route.id} with ${held}: ${answer.text}`).toBe(!allowed);
      expect(answer.status, `${route.id} with ${held}: ${answer.text}`).toBeLessThan(500);
    }
  }
});

test('a request that changes money or rights is refused without an idempotency key', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n);
  for (const { method, path, keyed, id } of routes) {
    if (keyed !== true) continue;
    const answer = await send(method, fillPath(path), { body: {} });
    expect([answer.status, answer.json.type], id).toEqual([
      400,
      'urn:perennial:problem:key_missing',
    ]);
  }
  const bad = await send('POST', '/v1/customers/7/top-ups', { key: 'a b', body: { amount: '1' } });
  expect(bad.json.type).toBe('urn:perennial:problem:bad_key');
});

test('a customer is created, tops up, reads the price, purchases, and has the subscription', async () => {
  const { send, tokens } = await startApi();
  const token = tokens.sell;
  const sold = (path: string, body: unknown) =>
    send('POST', path, { token, key: createKey(), body });

  const made = await send('POST', '/v1/customers', {
    token,
    body: { telegram_id: 7, locale: 'ru' },
  });
  expect([made.status, made.json.currency]).toEqual([201, 'RUB']);
  const again = await send('POST', '/v1/customers', { token, body: { telegram_id: 7 } });
  expect([again.status, again.json.type]).toEqual([409, 'urn:perennial:problem:customer_exists']);

  const credited = await sold('/v1/customers/7/top-ups', {
    amount: '200',
    provider: 'stars',
    provider_ref: 'p-1',
  });
  expect(credited.json).toMatchObject({ amount: '200.00', balance: '200.00', currency: 'RUB' });
  const twice = await sold('/v1/customers/7/top-ups', {
    amount: '200',
    provider: 'stars',
    provider_ref: 'p-1',
  });
  expect([twice.status, twice.json.type]).toEqual([409, 'urn:perennial:problem:payment_known']);

  const quoted = await send('GET', '/v1/quote?telegram_id=7&plan=basic&period_days=30');
  expect(quoted.json).toMatchObject({
    action: 'new',
    price: '149.00',
    missing: '0.00',
    ends_at: '2026-12-24T09:00:00.000Z',
    subscription_id: null,
  });
  const other = await sold('/v1/customers/7/purchases', {
    plan: 'basic',
    period_days: 30,
    price: '148',
  });
  expect([other.status, other.json.detail]).toEqual([
    409,
    'it costs 149.00 RUB now, not 148.00 RUB',
  ]);
  const bought = await sold('/v1/customers/7/purchases', {
    plan: 'basic',
    period_days: 30,
    price: quoted.json.price,
  });
  expect(bought.json).toMatchObject({ action: 'new', balance: '51.00', amount: '149.00' });
  const short = await sold('/v1/customers/7/purchases', { plan: 'basic', period_days: 30 });
  expect([short.status, short.json.type]).toEqual([402, 'urn:perennial:problem:short_balance']);

  const shown = await send('GET', '/v1/customers/7', { token });
  const [subscription] = shown.json.subscriptions;
  expect(shown.json).toMatchObject({ telegram_id: 7, balance: '51.00', reachable: true });
  expect(subscription).toMatchObject({ plan: 'basic', state: 'active', auto_renew: true });
  expect(shown.json.links).toHaveLength(1);
  expect(bought.json).toMatchObject({ sub_token: shown.json.sub_token, links: shown.json.links });
  const one = await send('GET', `/v1/subscriptions/${subscription.id}`, { token });
  expect(one.json).toEqual({ ...subscription, telegram_id: 7 });

  const off = await send('PATCH', `/v1/subscriptions/${subscription.id}`, {
    token,
    body: { auto_renew: false },
  });
  expect(off.json.auto_renew).toBe(false);
  const next = await send('PATCH', `/v1/subscriptions/${subscription.id}`, {
    token,
    body: { next: { plan: 'basic', period_days: 90 } },
  });
  expect(next.json).toMatchObject({ next_plan: 'basic', next_period_days: 90 });
});

test('a change of plan costs the price of its quote', async () => {
  const { send, database } = await startApi();
  const id = await createSubscriber(database, 7n, 300_00n);
  await database.setClock('2026-12-09T09:00:00Z');
  const quoted = await send(
    'GET',
    `/v1/quote?telegram_id=7&plan=plus&period_days=30&subscription_id=${id}&change=true`,
  );
  expect(quoted.json).toMatchObject({ action: 'changed', price: '299.00', credited: '74.50' });
  const changed = await send('POST', `/v1/subscriptions/${id}/change-plan`, {
    key: createKey(),
    body: { plan: 'plus', period_days: 30, when: 'now', price: quoted.json.price },
  });
  expect(changed.json).toMatchObject({
    amount: quoted.json.price,
    credited: quoted.json.credited,
    expires_at: quoted.json.ends_at,
    balance: '75.50',
  });
});

test('an administrator grants, refunds, revokes, adjusts a balance and sets a discount', async () => {
  const { send, database } = await startApi();
  const id = await createSubscriber(database, 7n, 0n);
  const did = (path: string, body: unknown) => send('POST', path, { key: createKey(), body });
  expect((await did(`/v1/subscriptions/${id}/grant`, { days: 3 })).json).toMatchObject({
    expires_at: '2026-12-27T09:00:00.000Z',
  });
  const shown = await send('GET', '/v1/customers/7');
  const [first, gift] = shown.json.subscriptions[0].periods;
  const takenBack = await did('/v1/customers/7/refunds', { period_id: gift.id, part: 'whole' });
  expect(takenBack.json).toMatchObject({ amount: '0.00', expires_at: first.ends_at });
  const again = await did('/v1/customers/7/refunds', { period_id: gift.id, part: 'whole' });
  expect([again.status, again.json.type]).toEqual([404, 'urn:perennial:problem:no_period']);
  expect(
    (await did(`/v1/subscriptions/${id}/revoke`, { reason: 'asked', refund: 'whole' })).json,
  ).toMatchObject({ state: 'revoked', refunded: '149.00', balance: '149.00' });
  expect(
    (await did('/v1/customers/7/adjustments', { amount: '-49', reason: 'fee' })).json,
  ).toMatchObject({ balance: '100.00' });
  const vip = await send('PATCH', '/v1/customers/7/discount', { body: { vip: true } });
  expect(vip.json.vip).toBe(true);
  const offers = await send('GET', '/v1/plans?telegram_id=7');
  const basic = offers.json.items.find((plan: { key: string }) => plan.key === 'basic');
  expect(basic.prices[0]).toMatchObject({ list_amount: '149.00', amount: '104.30' });
});

test('the ledger and the timeline return each line once, page by page', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n);
  for (let n = 1; n <= 5; n += 1) await addBalance(database, 7n, BigInt(n));
  for (const [list, wanted] of [
    ['ledger', 5],
    ['timeline', 6],
  ] as const) {
    const seen: number[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query = cursor === '' ? '' : `&cursor=${cursor}`;
      const page = await send('GET', `/v1/customers/7/${list}?limit=2${query}`);
      expect(page.json.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.json.items.map(({ id }: { id: number }) => id));
      cursor = page.json.next_cursor;
    }
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => b - a));
    expect(seen).toHaveLength(wanted);
  }
});

test('bad input is refused with its place and its fault, and changes nothing', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n);
  const cases: readonly [path: string, body: unknown, status: number, detail: RegExp][] = [
    ['/v1/customers/7/top-ups', { amount: 5 }, 400, /^body\.amount: /],
    ['/v1/customers/7/top-ups', { amount: '5', amonut: 1 }, 400, /amonut/],
    [
      '/v1/customers/7/top-ups',
      { amount: '5.123' },
      422,
      /not an amount of RUB; expected at most 2 decimals/,
    ],
    ['/v1/customers/7/top-ups', { amount: '-5' }, 422, /expected an amount above 0/],
    ['/v1/customers/7/top-ups', '{"amount":', 400, /body: is not JSON/],
    ['/v1/customers/x/top-ups', { amount: '5' }, 400, /^params\.telegram_id: is not an id/],
    ['/v1/customers/8/top-ups', { amount: '5' }, 404, /telegram_id: "8" is not a customer/],
    ['/v1/nothing', {}, 404, /there is no POST \/v1\/nothing/],
  ];
  for (const [path, body, status, detail] of cases) {
    const answer = await send('POST', path, { key: createKey(), body });
    expect([answer.status, answer.json.detail]).toEqual([status, expect.stringMatching(detail)]);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  }
  const large = await send('POST', '/v1/customers', { body: { locale: 'x'.repeat(70_000) } });
  expect(large.status).toBe(413);
  const form = await send('POST', '/v1/customers', {
    body: 'a=b',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  expect(form.status).toBe(415);
  const { json } = await send('GET', '/v1/customers/7/ledger');
  expect(json.items).toEqual([]);
});

test('a request above the limit gets 429 with the time of the next attempt', async () => {
  const { send, tokens } = await startApi({ requests: { perTokenMax: 3, perAddressMax: 2 } });
  const statuses: number[] = [];
  for (let n = 0; n < 4; n += 1) {
    const answer = await send('GET', '/v1/plans', { token: tokens.read });
    statuses.push(answer.status);
    if (answer.status === 429) {
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(answer.json.type).toBe('urn:perennial:problem:too_many_requests');
    }
  }
  expect(statuses).toEqual([200, 200, 200, 429]);
  // Another token has a separate limit, and so have requests without a valid token.
  expect((await send('GET', '/v1/plans', { token: tokens.sell })).status).toBe(200);
  expect((await send('GET', '/v1/plans', { token: 'guessed' })).status).toBe(401);
});

test('the API serves the OpenAPI document, which has each route once', async () => {
  const { send } = await startApi();
  const { json, status } = await send('GET', '/openapi.json', { token: '' });
  expect(status).toBe(200);
  expect(json).toEqual(JSON.parse(JSON.stringify(createOpenApiDocument(routes))));
  const paths = json.paths as Record<string, Record<string, { operationId: string }>>;
  const operations = Object.values(paths).flatMap((path) => Object.values(path));
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(routes.length + unversionedPaths.length);
});

test('/healthz and /readyz answer without a token, and /metrics requires one', async () => {
  const { send, tokens } = await startApi();
  expect((await send('GET', '/healthz', { token: '' })).json).toEqual({ status: 'ok' });
  expect((await send('GET', '/readyz', { token: '' })).json).toEqual({ status: 'ready' });
  expect((await send('GET', '/metrics', { token: '' })).status).toBe(401);
  const figures = await send('GET', '/metrics', { token: tokens.read });
  expect(figures.text).toContain('perennial_node_marks_waiting{node="nl-1"} 0');
});
