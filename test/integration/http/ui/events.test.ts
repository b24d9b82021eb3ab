import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { openServer } from '../../../../src/http/server.ts';
import { changeTopics, readChangeMarks } from '../../../../src/operators/changes.ts';
import { signOut } from '../../../../src/operators/session.ts';
import { explain, recordStatements } from '../../../../testbed/explain.ts';
import { until } from '../../../../testbed/until.ts';
import { startApi } from '../../../support/api.ts';
import { createPageFolder, type DashboardClient, signInAs } from '../../../support/dashboard.ts';
import { silentLog } from '../../../support/log.ts';
import { createLargeDatabase } from '../../../support/query-plans.ts';
import { addBalance, addCustomer } from '../../../support/shop.ts';

// The stream of changes: what it sends, when it ends, and the cost of its poll.

const ui = { host: undefined, folder: createPageFolder() };

interface Stream {
  readonly response: IncomingMessage;
  text(): string;
  isOver(): boolean;
}

async function openStream(address: string, { cookie }: DashboardClient): Promise<Stream> {
  const headers = { cookie: `__Host-perennial=${cookie}`, 'sec-fetch-site': 'same-origin' };
  const request = get(`${address}/ui/events`, { headers, agent: false });
  onTestFinished(() => void request.destroy());
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const state = { text: '', isOver: false };
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    state.text += chunk;
  });
  response.on('error', () => undefined);
  response.on('close', () => {
    state.isOver = true;
  });
  return { response, text: () => state.text, isOver: () => state.isOver };
}

/** The topics of all events so far. */
const readTopics = (stream: Stream): string[] =>
  [...stream.text().matchAll(/event: changed\ndata: (.*)\n\n/g)].flatMap(
    ([, data = '']) => (JSON.parse(data) as { topics: string[] }).topics,
  );

test('a change reaches each open page within seconds, with its topics', async () => {
  const api = await startApi({ ui });
  await addCustomer(api.database, 7n);
  const session = await signInAs(api, 'read');
  const first = await openStream(api.address, session);
  const second = await openStream(api.address, await signInAs(api, 'read', 'Boris'));
  expect(first.response.statusCode).toBe(200);
  expect(first.response.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  await until('the stream is open', () => first.text().startsWith(': open\n\n'));
  await addBalance(api.database, 7n, 5_00n);
  for (const stream of [first, second]) {
    await until('the change is sent', () => readTopics(stream).includes('ledger'));
    expect(readTopics(stream)).toContain('events');
  }
  await api.database.query`UPDATE perennial.node SET down_since = perennial.clock()`;
  await api.database.query`INSERT INTO perennial.quarantine
    (worker, item, reason, retry_at, first_seen_at)
    VALUES ('auto-renewal', '1', 'x', perennial.clock(), perennial.clock())`;
  await api.database.query`INSERT INTO perennial.audit_result (kind, at, violations, took_ms)
    VALUES ('changes', perennial.clock(), 0, 5)`;
  await until('the changes are sent', () => {
    const topics = readTopics(first);
    return ['nodes', 'quarantine', 'audit'].every((topic) => topics.includes(topic));
  });
});

test('a stream ends with its session: by itself, by the command line, and at its expiry', async () => {
  const api = await startApi({ ui });
  const { db } = api.database;
  const [anna, boris, clara, dora] = await Promise.all(
    ['Anna', 'Boris', 'Clara', 'Dora'].map((name) => signInAs(api, 'read', name)),
  );
  if (!anna || !boris || !clara || !dora) throw new Error('no sessions');
  const [ofAnna, ofBoris, ofClara, ofDora] = await Promise.all(
    [anna, boris, clara, dora].map((session) => openStream(api.address, session)),
  );
  await anna.send('DELETE', '/ui/session');
  await until('the stream of Anna is over', () => ofAnna?.isOver() === true);
  await signOut(db, { name: 'Boris' }, 'test');
  await api.database.query`UPDATE perennial.operator_session SET expires_at = clock_timestamp()
    WHERE name = 'Clara'`;
  await until(
    'both streams are over',
    () => ofBoris?.isOver() === true && ofClara?.isOver() === true,
  );
  expect(ofDora?.isOver()).toBe(false);
});

test('a stream needs a session of the same origin, and a session has at most 10 streams', async () => {
  const api = await startApi({ ui });
  const session = await signInAs(api, 'read');
  const anonymous = await api.send('GET', '/ui/events', { token: '' });
  const byToken = await api.send('GET', '/ui/events');
  const crossSite = await session.send('GET', '/ui/events', {
    headers: { 'sec-fetch-site': 'cross-site' },
  });
  const statuses = [anonymous, byToken, crossSite].map(({ status }) => status);
  expect(statuses).toEqual([401, 401, 403]);
  // A HEAD has the answer of the page, and opens no stream.
  const head = await session.send('HEAD', '/ui/events');
  expect(head.headers.get('content-type')).toMatch(/^text\/html/);
  const streams = await Promise.all(
    Array.from({ length: 10 }, () => openStream(api.address, session)),
  );
  const eleventh = await session.send('GET', '/ui/events');
  expect([eleventh.status, eleventh.json.type]).toEqual([
    429,
    'urn:perennial:problem:too_many_streams',
  ]);
  const other = await openStream(api.address, await signInAs(api, 'read', 'Boris'));
  expect(other.response.statusCode).toBe(200);
  streams[0]?.response.destroy();
  await until('a closed page makes room', async () => {
    const stream = await openStream(api.address, session);
    return stream.response.statusCode === 200;
  });
});

test('the close of the server ends the streams at once', async () => {
  const api = await startApi({ ui });
  const { db, url } = api.database;
  const log = silentLog as never;
  const server = await openServer({ db, url, log, currency: 'RUB', ui });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  const session = await signInAs(api, 'read');
  const streams = await Promise.all([1, 2, 3].map(() => openStream(address, session)));
  const startedMs = performance.now();
  await server.close();
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  await until('each stream is over', () => streams.every((stream) => stream.isOver()));
});

/** A year of alarms. */
const addAlarms = `
  INSERT INTO perennial.notification (channel, kind, dedupe_key, params, next_attempt_at, created_at)
  SELECT 'log', 'node_down', i::text, '{}', perennial.clock(), perennial.clock()
  FROM generate_series(1, 5000) i; ANALYZE perennial.notification`;

test('the poll reads no large table, and as many pages at any size', async () => {
  const database = await createLargeDatabase({ subscriptions: 20_000, due: 100 }, addAlarms);
  const { db, statements } = recordStatements(database.pool);
  const marks = await readChangeMarks(db);
  expect(Object.keys(marks)).toEqual([...changeTopics]);
  const [poll] = await explain(database.pool, statements);
  if (poll === undefined) throw new Error('no statement');
  const large = ['ledger_entry', 'event', 'notification', 'access_sync', 'customer'];
  for (const table of large) expect(poll.reads).not.toContain(`Seq Scan ${table}`);
  expect(poll.buffers).toBeLessThan(40);
});
