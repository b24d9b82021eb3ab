import { connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { parseConfig } from '../../../src/config/config.ts';
import { startApi } from '../../../src/http/listen.ts';
import type { ReadinessCheck } from '../../../src/http/readiness.ts';
import { createToken } from '../../../src/tokens/store.ts';
import { until } from '../../../testbed/until.ts';
import { createKey } from '../../support/api.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { countBlocked, holdLocks } from '../../support/locks.ts';
import { silentLog } from '../../support/log.ts';
import { addCustomer, createShopDatabase } from '../../support/shop.ts';

// The API as `perennial start` opens it, with its connection pools and its readiness probe.

async function openApi(
  database: TestDatabase,
  url = database.url,
  readiness: readonly ReadinessCheck[] = [],
) {
  const file = parseConfig('http: { port: 0 }\n', 'perennial.yaml');
  const config = { path: undefined, file, database: url, dataDir: '/nowhere' };
  const all = { ...config, dataDirNamed: false, logLevel: 'silent' };
  const api = await startApi({ url, config: all, readiness }, silentLog as never);
  onTestFinished(() => api.stop());
  const order = { name: 'shop', scopes: ['admin'] as const, lastsMs: undefined };
  const { token } = await createToken(database.db, order, 'test');
  const send = (method: string, path: string, body?: object) =>
    fetch(`${api.address}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'idempotency-key': createKey(),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return { send };
}

test('many hanging reads block neither a sale nor the reads of a sale, and end by their limit', async () => {
  await using database = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  await addCustomer(database, 7n);
  const { send } = await openApi(database);
  const { release } = await holdLocks(database, 'LOCK TABLE perennial.worker_run');
  const ended: number[] = [];
  const reads = Array.from({ length: 60 }, async (_, n) => {
    const { status } = await send('GET', n % 2 === 0 ? '/v1/workers' : '/metrics');
    ended.push(status);
  });
  await until('reads wait', async () => (await countBlocked(database)) > 0);
  const statuses = [
    (await send('GET', '/v1/customers/7')).status,
    (await send('POST', '/v1/customers/7/top-ups', { amount: '149' })).status,
    (await send('GET', '/v1/quote?telegram_id=7&plan=basic&period_days=30')).status,
    (await send('POST', '/v1/customers/7/purchases', { plan: 'basic', period_days: 30 })).status,
    (await send('GET', '/readyz')).status,
  ];
  expect(statuses).toEqual([200, 201, 200, 201, 200]);
  // The lock is held until each read has reached its own limit.
  await Promise.all(reads);
  expect(new Set(ended)).toEqual(new Set([503]));
  await release();
  expect((await send('GET', '/v1/workers')).status).toBe(200);
}, 60_000);

/** A proxy of the database that a test closes and opens again. */
async function startGate(url: string) {
  const { hostname, port } = new URL(url);
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const database = connect(Number(port || 5_432), hostname);
    for (const socket of [client, database]) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => [client, database].map((each) => each.destroy()));
    }
    client.pipe(database).pipe(client);
  });
  const listen = (at: number) =>
    new Promise<void>((done) => server.listen(at, '127.0.0.1', () => done()));
  await listen(0);
  const through = new URL(url);
  const { port: own } = server.address() as { port: number };
  through.host = `127.0.0.1:${own}`;
  const close = async () => {
    for (const socket of open) socket.destroy();
    await new Promise((done) => server.close(done));
  };
  onTestFinished(() => void (server.listening && close()));
  return { url: through.href, close, reopen: () => listen(own) };
}

test('/readyz is 503 while the database is unreachable and 200 afterwards, /healthz is always 200', async () => {
  await using database = await createDatabase({ now: '2026-11-24T09:00:00Z' });
  const gate = await startGate(database.url);
  const { send } = await openApi(database, gate.url);
  const ready = (status: number) =>
    until(`ready: ${status}`, async () => {
      const answer = await send('GET', '/readyz');
      return answer.status === status ? answer : undefined;
    });
  await ready(200);
  await gate.close();
  const away = await ready(503);
  expect(await away.json()).toMatchObject({
    type: 'urn:perennial:problem:not_ready',
    errors: [{ place: 'database', detail: expect.stringMatching(/^cannot be reached/) }],
  });
  expect((await send('GET', '/healthz')).status).toBe(200);
  await gate.reopen();
  await ready(200);
}, 60_000);

test('/readyz names each further reason for which a replica is not ready', async () => {
  await using database = await createDatabase({ now: '2026-11-24T09:00:00Z' });
  const clock = { name: 'clock', reason: async () => 'is 40 s ahead of the database' };
  const fine = { name: 'other', reason: async () => undefined };
  const { send } = await openApi(database, database.url, [clock, fine]);
  const answer = await send('GET', '/readyz');
  const { detail } = (await answer.json()) as { detail: string };
  expect([answer.status, detail]).toEqual([503, 'clock: is 40 s ahead of the database']);
}, 60_000);
