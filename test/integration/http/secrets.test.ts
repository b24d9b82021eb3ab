import { expect, test } from 'vitest';
import { isLoopbackHost } from '../../../src/http/loopback.ts';
import { createToken, listTokens, revokeToken } from '../../../src/tokens/store.ts';
import { createKey, startApi } from '../../support/api.ts';
import { createSubscriber } from '../../support/shop.ts';

// Secrets of the API: tokens, UUIDs and subscription secrets reach only their owners.

test('an expired, revoked or unknown token is refused at once', async () => {
  const { send, database } = await startApi();
  const order = { name: 'bot', scopes: ['read'] as const, lastsMs: 60_000 };
  const short = await createToken(database.db, order, 'test');
  const asked = async (token: string) => (await send('GET', '/v1/plans', { token })).status;
  expect(await asked(short.token)).toBe(200);
  await database.setClock('2026-11-24T09:01:00Z');
  expect(await asked(short.token)).toBe(401);
  const other = await createToken(database.db, { ...order, lastsMs: undefined }, 'test');
  expect(await asked(other.token)).toBe(200);
  await revokeToken(database.db, other.id, 'test');
  expect(await asked(other.token)).toBe(401);
  await expect(revokeToken(database.db, 'nobodys1', 'test')).rejects.toThrow(
    /"nobodys1" is not a token/,
  );
});

test('the database has only the hash of a token, and its last use is written once a minute', async () => {
  const { send, database, tokens } = await startApi();
  const { rows } = await database.pool.query('SELECT t::text AS row FROM perennial.token t');
  for (const { row } of rows) {
    for (const token of Object.values(tokens)) expect(row).not.toContain(token.slice(12, -6));
  }
  const lastUse = async () =>
    (await listTokens(database.db)).find(({ name }) => name === 'test read')?.last_used_at;
  expect(await lastUse()).toBeNull();
  await send('GET', '/v1/plans', { token: tokens.read });
  expect(await lastUse()).toBe(Date.parse('2026-11-24T09:00:00Z'));
  await database.setClock('2026-11-24T09:00:59Z');
  await send('GET', '/v1/plans', { token: tokens.read });
  expect(await lastUse()).toBe(Date.parse('2026-11-24T09:00:00Z'));
  await database.setClock('2026-11-24T09:01:01Z');
  await send('GET', '/v1/plans', { token: tokens.read });
  expect(await lastUse()).toBe(Date.parse('2026-11-24T09:01:01Z'));
});

test('no token, subscription secret or UUID is logged, also if a request fails', async () => {
  const api = await startApi();
  const { send, database, tokens } = api;
  await createSubscriber(database, 7n, 0n);
  const shown = await send('GET', '/v1/customers/7');
  const { sub_token, subscriptions } = shown.json;
  const unknown = `prn_${'x'.repeat(46)}`;
  await send('GET', `/sub/${sub_token}`, { token: '' });
  await send('GET', `/sub/${sub_token}x`, { token: '' });
  await send('GET', `/nothing/${sub_token}?token=${sub_token}`, { token: unknown });
  await send('POST', '/v1/customers/7/top-ups', {
    body: { amount: tokens.admin },
    key: createKey(),
  });
  await send('PATCH', '/v1/customers/7', { body: { locale: sub_token } });
  // A table is missing during a request: a bug is logged with its cause.
  await database.pool.query('ALTER TABLE perennial.period RENAME TO gone');
  const broken = await send('GET', '/v1/customers/7');
  expect([broken.status, broken.json.detail]).toEqual([
    500,
    'internal error; the log has the details',
  ]);
  const log = api.log();
  expect(log).toContain('pg_42P01');
  const canaries = [...Object.values(tokens), unknown, sub_token, subscriptions[0].credential];
  for (const canary of canaries) expect(log).not.toContain(canary);
});

test('the subscription URL returns the links of running subscriptions in the format of clients', async () => {
  const { send, database } = await startApi();
  await database.pool.query(`UPDATE perennial.node SET link = link || '{"port": 443}'`);
  await createSubscriber(database, 7n, 0n);
  const { json } = await send('GET', '/v1/customers/7');
  const feed = await send('GET', `/sub/${json.sub_token}`, { token: '' });
  expect(feed.status).toBe(200);
  const links = Buffer.from(feed.text, 'base64').toString().split('\n');
  expect(links[0]).toMatch(/^vless:\/\/[0-9a-f-]{36}@nl1\.example\.net:443/);
  expect(links).toEqual(json.links.map(({ link }: { link: string }) => link));
  const expire = Date.parse('2026-12-24T09:00:00Z') / 1_000;
  expect(feed.headers.get('subscription-userinfo')).toBe(
    `upload=0; download=0; total=0; expire=${expire}`,
  );
  expect(feed.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(feed.headers.get('cache-control')).toBe('no-store');
  expect(feed.headers.get('profile-title')).toMatch(/^base64:/);
});

test('a new subscription secret replaces the old one; an unknown secret takes as many statements as a known one', async () => {
  const statements: string[] = [];
  const { send, database } = await startApi({
    wrapPool: (pool) => {
      pool.on('connect', (client) => {
        const query = client.query.bind(client) as (...of: never[]) => unknown;
        client.query = ((...of: never[]) => {
          const [first] = of as unknown as [string | { text?: string }];
          statements.push(typeof first === 'string' ? first : (first.text ?? ''));
          return query(...of);
        }) as typeof client.query;
      });
      return pool;
    },
  });
  await createSubscriber(database, 7n, 0n);
  const { json } = await send('GET', '/v1/customers/7');
  const asked = async (token: string) => {
    statements.length = 0;
    const { status } = await send('GET', `/sub/${token}`, { token: '' });
    return [status, statements.length];
  };
  const [, known] = await asked(json.sub_token);
  expect(known).toBeGreaterThan(0);
  expect(await asked('nobodys-token-0000')).toEqual([404, known]);
  expect(await asked('%00')).toEqual([404, known]);
  await send('PATCH', '/v1/customers/7', { body: { new_sub_token: true } });
  expect((await asked(json.sub_token))[0]).toBe(404);
});

test.for<[string, boolean]>([
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['::1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['127.example.com', false],
])('without TLS on %s: tokens stay on this machine: %s', ([host, stays]) => {
  expect(isLoopbackHost(host)).toBe(stays);
});
