import { expect, test } from 'vitest';
import { routes } from '../../../../src/http/routes/index.ts';
import { findSession, listSessions, signOut } from '../../../../src/operators/session.ts';
import { createSignInLink } from '../../../../src/operators/sign-in-link.ts';
import { createKey, startApi, type TestApi } from '../../../support/api.ts';
import {
  createLink,
  createPageFolder,
  readCookie,
  sameOrigin,
  sendSignIn,
  signInAs,
} from '../../../support/dashboard.ts';
import { addCustomer, createSubscriber } from '../../../support/shop.ts';
import { sendRaw } from '../raw-request.ts';

// Sign-in, sessions and their attacks: forged, replayed, expired and foreign links and cookies.

const ui = { host: 'panel.example.com', folder: createPageFolder() };
const codeOf = (json: { type: string }) => json.type.replace('urn:perennial:problem:', '');

const readEvents = async ({ database }: TestApi) =>
  database.query<{ subject: string; action: string; actor: string; detail: object }>`
    SELECT subject, action, actor, detail FROM perennial.event
    WHERE subject LIKE 'operator:%' ORDER BY id`;

/** The lines of the log with this message. */
const readLog = (api: TestApi, message: string): Record<string, unknown>[] =>
  api
    .log()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line.msg === message);

test('a link opens one session of 12 h, and its cookie opens the routes of its role', async () => {
  const api = await startApi({ ui });
  const link = await createLink(api, 'read');
  const answer = await sendSignIn(api, link);
  expect([answer.status, answer.json.name, answer.json.scope]).toEqual([201, 'Anna', 'read']);
  expect(answer.headers.get('set-cookie')).toMatch(
    /^__Host-perennial=prs_\w{46}; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200$/,
  );
  const headers = { ...sameOrigin, cookie: `__Host-perennial=${readCookie(answer)}` };
  const session = await api.send('GET', '/ui/session', { token: '', headers });
  expect([session.status, session.json]).toEqual([
    200,
    {
      name: 'Anna',
      scope: 'read',
      expires_at: answer.json.expires_at,
      currency: 'RUB',
      version: expect.any(String),
      now: '2026-11-24T09:00:00.000Z',
      is_demo: false,
    },
  ]);
  expect(session.headers.get('cache-control')).toBe('no-store');
  expect((await api.send('GET', '/v1/plans', { token: '', headers })).status).toBe(200);
  const [row] = await api.database.query<{ h: number }>`
    SELECT extract(epoch FROM expires_at - clock_timestamp())::float8 / 3600 AS h
    FROM perennial.operator_session`;
  expect(row?.h).toBeGreaterThan(11.9);
  expect(row?.h).toBeLessThanOrEqual(12);
});

test('a second use of a link is refused and logged, also at the same time', async () => {
  const api = await startApi({ ui });
  const link = await createLink(api);
  const answers = await Promise.all([1, 2, 3, 4].map(() => sendSignIn(api, link)));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 401, 401, 401]);
  const replay = await sendSignIn(api, link);
  expect([replay.status, codeOf(replay.json), replay.headers.get('set-cookie')]).toEqual([
    401,
    'link_used',
    null,
  ]);
  expect(await listSessions(api.database.db)).toHaveLength(1);
  expect(readLog(api, 'link refused')[0]).toMatchObject({
    level: 'warn',
    address: '127.0.0.1',
    id: link.slice(4, 12),
    code: 'link_used',
  });
});

test('an expired, revoked, forged or foreign link is refused, and its secret is not logged', async () => {
  const api = await startApi({ ui });
  const { database, tokens } = api;
  const tried = async (link: string) => codeOf((await sendSignIn(api, link)).json);
  const forged = await createLink(api);
  const secretPart = forged.slice(12, -6);
  const other = await createLink(api);
  // The id of a link with the secret of another one has a wrong checksum.
  expect(await tried(`${other.slice(0, 12)}${forged.slice(12)}`)).toBe('bad_link');
  expect(await tried('x')).toBe('bad_link');
  expect(await tried(tokens.admin)).toBe('bad_link');
  expect(await tried(`${forged}${forged}`.slice(0, 200))).toBe('bad_link');
  await database.pool.query(`UPDATE perennial.operator_link SET hash = sha256('other')
    WHERE id = '${other.slice(4, 12)}'`);
  expect(await tried(other)).toBe('bad_link');
  const expired = await createLink(api);
  await database.pool.query(`
    UPDATE perennial.operator_link SET expires_at = clock_timestamp()
    WHERE id = '${expired.slice(4, 12)}'`);
  expect(await tried(expired)).toBe('link_expired');
  const ahead = await createLink(api);
  await database.pool.query(`
    UPDATE perennial.operator_link SET created_at = clock_timestamp() + interval '1 hour'
    WHERE id = '${ahead.slice(4, 12)}'`);
  expect(await tried(ahead)).toBe('link_expired');
  const revoked = await createLink(api, 'admin', 'Boris');
  expect(await signOut(database.db, { name: 'Boris' }, 'test')).toEqual({
    sessions: [],
    links: [revoked.slice(4, 12)],
  });
  expect(await tried(revoked)).toBe('link_expired');
  expect(await listSessions(database.db)).toEqual([]);
  for (const secret of [secretPart, expired.slice(12, -6), revoked.slice(12, -6)])
    expect(api.log()).not.toContain(secret);
  const tooLong = await sendSignIn(api, 'x'.repeat(201));
  expect([tooLong.status, codeOf(tooLong.json)]).toEqual([400, 'bad_input']);
});

test('a forged, ended, expired or foreign cookie is refused and logged without its secret', async () => {
  const api = await startApi({ ui });
  const { database, tokens } = api;
  const statusOf = async (cookie: string) => {
    const headers = { ...sameOrigin, cookie: `__Host-perennial=${cookie}` };
    return (await api.send('GET', '/v1/plans', { token: '', headers })).status;
  };
  const anna = await signInAs(api, 'admin');
  expect(await statusOf(anna.cookie)).toBe(200);
  const end = anna.cookie.at(-1) === 'A' ? 'B' : 'A';
  expect(await statusOf(`${anna.cookie.slice(0, -1)}${end}`)).toBe(401);
  expect(await statusOf(tokens.admin)).toBe(401);
  expect(await statusOf(await createLink(api, 'admin'))).toBe(401);
  const elsewhere = await startApi({ ui });
  const foreign = await signInAs(elsewhere, 'admin');
  expect(await statusOf(foreign.cookie)).toBe(401);
  const boris = await signInAs(api, 'admin', 'Boris');
  await database.pool.query(`
    UPDATE perennial.operator_session SET expires_at = clock_timestamp() WHERE name = 'Boris'`);
  expect(await statusOf(boris.cookie)).toBe(401);
  const clara = await signInAs(api, 'admin', 'Clara');
  await database.pool.query(`
    UPDATE perennial.operator_session SET created_at = clock_timestamp() + interval '1 hour'
    WHERE name = 'Clara'`);
  expect(await statusOf(clara.cookie)).toBe(401);
  expect((await anna.send('DELETE', '/ui/session')).status).toBe(204);
  expect(await statusOf(anna.cookie)).toBe(401);
  const ids = readLog(api, 'session refused').map(({ id }) => id);
  expect(ids).toEqual(expect.arrayContaining([anna.id, boris.id, foreign.id, null]));
  for (const { cookie } of [anna, boris, foreign])
    expect(api.log()).not.toContain(cookie.slice(12, -6));
});

test('a role may do on each route what a token with its scope may do', async () => {
  const api = await startApi({ ui });
  await createSubscriber(api.database, 7n, 0n);
  for (const role of ['read', 'sell', 'admin'] as const) {
    const session = await signInAs(api, role);
    for (const { method, path } of routes) {
      const filled = path.replace('{telegram_id}', '999').replaceAll(/\{\w+\}/g, '999');
      const ask = method === 'GET' ? {} : { key: createKey(), body: { unknown: true } };
      const bySession = await session.send(method, filled, ask);
      const byToken = await api.send(method, filled, { token: api.tokens[role], ...ask });
      const place = `${role} ${method} ${path}`;
      expect([place, bySession.status]).toEqual([place, byToken.status]);
    }
  }
  const reader = await signInAs(api, 'read');
  const seller = await signInAs(api, 'sell');
  const shown = (await seller.send('GET', '/v1/customers/7')).json;
  const secret = shown.subscriptions[0].credential as string;
  expect(secret).toMatch(/^[0-9a-f-]{36}$/);
  expect((await reader.send('GET', '/v1/customers/7')).text).not.toContain(secret);
  const refusal = await reader.send('POST', '/v1/customers/7/top-ups', { key: createKey() });
  expect(refusal.json.detail).toBe('needs the scope sell; the session "Anna" has read');
  expect((await reader.send('GET', '/metrics')).status).toBe(401);
});

test('the timeline names link, sign-in, sign-out and each action with its actor', async () => {
  const api = await startApi({ ui });
  await addCustomer(api.database, 7n);
  const { send, id } = await signInAs(api, 'sell', 'Anna');
  const key = createKey();
  const topUp = { key, body: { amount: '5' } };
  const first = await send('POST', '/v1/customers/7/top-ups', topUp);
  expect(first.status).toBe(201);
  // The key belongs to the operator: after a new sign-in the answer is the same, and not a second
  // top-up.
  const again = await signInAs(api, 'sell', 'Anna');
  expect((await again.send('POST', '/v1/customers/7/top-ups', topUp)).text).toBe(first.text);
  const boris = await signInAs(api, 'sell', 'Boris');
  const ownKey = await boris.send('POST', '/v1/customers/7/top-ups', topUp);
  expect(ownKey.json.balance).toBe('10.00');
  const { json } = await send('GET', '/v1/customers/7/timeline');
  expect(json.items.map(({ actor }: { actor: string }) => actor).slice(0, 2)).toEqual([
    `ui:Boris/${boris.id}`,
    `ui:Anna/${id}`,
  ]);
  await send('DELETE', '/ui/session');
  const events = (await readEvents(api)).filter(({ subject }) => subject === 'operator:Anna');
  const [created] = events;
  expect(created).toMatchObject({ action: 'link_created', actor: 'test' });
  expect(created?.detail).toMatchObject({ scope: 'sell' });
  expect(events.map(({ action, actor }) => [action, actor])).toEqual([
    ['link_created', 'test'],
    ['signed_in', `ui:Anna/${id}`],
    ['link_created', 'test'],
    ['signed_in', `ui:Anna/${again.id}`],
    ['signed_out', `ui:Anna/${id}`],
  ]);
});

test('a sign-in gives a new session, and ends the one that the browser had', async () => {
  const api = await startApi({ ui });
  const before = await signInAs(api, 'read');
  const headers = { ...sameOrigin, cookie: `__Host-perennial=${before.cookie}` };
  const answer = await sendSignIn(api, await createLink(api, 'admin', 'Boris'), headers);
  expect(answer.status).toBe(201);
  expect(readCookie(answer)).not.toBe(before.cookie);
  expect((await before.send('GET', '/ui/session')).status).toBe(401);
  // A cookie that an attacker planted does not become the session.
  const planted = `prs_${'A'.repeat(46)}`;
  const fixed = { ...sameOrigin, cookie: `__Host-perennial=${planted}` };
  const signedIn = await sendSignIn(api, await createLink(api), fixed);
  expect([signedIn.status, readCookie(signedIn) === planted]).toEqual([201, false]);
  // A refused link leaves the session as it is.
  const boris = { ...sameOrigin, cookie: `__Host-perennial=${readCookie(answer)}` };
  expect((await sendSignIn(api, 'x', boris)).status).toBe(401);
  expect((await api.send('GET', '/ui/session', { token: '', headers: boris })).status).toBe(200);
});

test('a request of another site or host is refused before anything happens, and logged', async () => {
  const api = await startApi({ ui });
  await addCustomer(api.database, 7n);
  const { send, cookie, id } = await signInAs(api, 'admin');
  const topUp = { key: createKey(), body: { amount: '5' } };
  for (const site of ['cross-site', 'same-site', 'none']) {
    const answer = await send('POST', '/v1/customers/7/top-ups', {
      ...topUp,
      headers: { 'sec-fetch-site': site },
    });
    expect([site, answer.status, codeOf(answer.json)]).toEqual([site, 403, 'cross_site']);
  }
  const deleted = await send('DELETE', '/ui/session', {
    headers: { 'sec-fetch-site': 'cross-site' },
  });
  expect(deleted.status).toBe(403);
  const link = await createLink(api);
  const foreign = await sendSignIn(api, link, { 'sec-fetch-site': 'cross-site' });
  expect([foreign.status, codeOf(foreign.json)]).toEqual([403, 'cross_site']);
  expect((await sendSignIn(api, link)).status).toBe(201);
  const sendTo = async (host: string, more = '') =>
    sendRaw(
      api,
      `GET /v1/plans HTTP/1.1\r\nhost: ${host}\r\ncookie: __Host-perennial=${cookie}\r\nconnection: close\r\n${more}\r\n`,
    );
  const rebound = await sendTo('evil.example.com', 'sec-fetch-site: same-origin\r\n');
  expect([rebound.head.split('\r\n')[0], rebound.body]).toEqual([
    'HTTP/1.1 403 Forbidden',
    expect.stringContaining('unknown_host'),
  ]);
  const older = await sendTo(ui.host, `origin: https://${ui.host}\r\n`);
  expect(older.head).toMatch(/^HTTP\/1.1 200 /);
  expect((await sendTo(ui.host)).head).toMatch(/^HTTP\/1.1 403 /);
  const lines = readLog(api, 'cross-site request refused');
  expect(lines[0]).toMatchObject({ id, address: '127.0.0.1', level: 'warn' });
  const { json } = await api.send('GET', '/v1/customers/7');
  expect(json.balance).toBe('0.00');
  expect(api.log()).not.toContain(cookie.slice(12, -6));
});

test('a bearer token wins over a cookie, and a cookie has no effect without the dashboard', async () => {
  const api = await startApi({ ui });
  const { send, cookie } = await signInAs(api, 'admin');
  expect((await send('GET', '/v1/plans', { token: 'guess' })).status).toBe(401);
  const byToken = await send('GET', '/ui/session', { token: api.tokens.admin });
  expect([byToken.status, codeOf(byToken.json)]).toEqual([401, 'unauthorized']);
  // A script with a token sends no headers of a browser, also if it has a cookie.
  const script = await api.send('GET', '/v1/plans', {
    headers: { cookie: `__Host-perennial=${cookie}` },
  });
  expect(script.status).toBe(200);
  const plain = await startApi();
  const link = await createLink(plain);
  expect((await sendSignIn(plain, link)).status).toBe(404);
  const headers = { ...sameOrigin, cookie: `__Host-perennial=${cookie}` };
  expect((await plain.send('GET', '/v1/plans', { token: '', headers })).status).toBe(401);
});

test('sessions, sign-ins and refused cookies have separate limits', async () => {
  const requests = { perSessionMax: 3, signInsMax: 4, refusedTokensMax: 2, perAddressMax: 100 };
  const api = await startApi({ ui, requests });
  const statuses = async (times: number, ask: () => Promise<{ status: number }>) => {
    const all: number[] = [];
    for (let n = 0; n < times; n += 1) all.push((await ask()).status);
    return all;
  };
  const anna = await signInAs(api, 'read', 'Anna');
  const boris = await signInAs(api, 'read', 'Boris');
  const plans = (session: typeof anna) => () => session.send('GET', '/v1/plans');
  expect(await statuses(4, plans(anna))).toEqual([200, 200, 200, 429]);
  expect(await statuses(1, plans(boris))).toEqual([200]);
  expect(await statuses(4, () => sendSignIn(api, 'guess'))).toEqual([401, 401, 429, 429]);
  const cross = { headers: { 'sec-fetch-site': 'cross-site' } };
  const crossPlans = () => boris.send('GET', '/v1/plans', cross);
  expect(await statuses(3, crossPlans)).toEqual([403, 403, 429]);
  expect(await statuses(2, plans(boris))).toEqual([200, 200]);
});

test('methods of the session have their answers: 405 with Allow, 415, and no CORS', async () => {
  const api = await startApi({ ui });
  const { send, cookie } = await signInAs(api, 'read');
  for (const method of ['PUT', 'PATCH', 'OPTIONS']) {
    const answer = await send(method, '/ui/session', { headers: { origin: 'https://evil.test' } });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'DELETE, GET, HEAD, POST']);
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  }
  const head = await send('HEAD', '/ui/session');
  expect([head.status, head.text]).toEqual([200, '']);
  expect((await send('GET', '/ui/session?x=1')).status).toBe(400);
  const form = await api.send('POST', '/ui/session', {
    token: '',
    body: 'link=x',
    headers: { ...sameOrigin, 'content-type': 'application/x-www-form-urlencoded' },
  });
  expect(form.status).toBe(415);
  const anonymous = await api.send('GET', '/ui/session', { token: '', headers: sameOrigin });
  expect([anonymous.status, codeOf(anonymous.json)]).toEqual([401, 'unauthorized']);
  const twice = { ...sameOrigin, cookie: `__Host-perennial=${cookie}; __Host-perennial=x` };
  expect((await api.send('GET', '/ui/session', { token: '', headers: twice })).status).toBe(401);
});

test('the stored clock of a test database neither ends nor extends a session', async () => {
  const api = await startApi({ ui });
  const session = await signInAs(api, 'read');
  const link = await createLink(api);
  await api.database.setClock('2027-11-24T09:00:00Z');
  expect((await session.send('GET', '/ui/session')).json.now).toBe('2027-11-24T09:00:00.000Z');
  expect((await sendSignIn(api, link)).status).toBe(201);
  await api.database.setClock('2025-11-24T09:00:00Z');
  expect((await session.send('GET', '/ui/session')).status).toBe(200);
});

test('a sign-in works while changes wait for a confirmation of lost commits', async () => {
  const api = await startApi({ ui });
  // The sentinel trusts a stored clock.
  await api.database.query`UPDATE perennial.installation SET clock_at = NULL`;
  await api.database.pool.query(`
    UPDATE perennial.clock_state SET suspect_cause = 'commits_lost', suspect_by_ms = 0,
      suspect_reason = 'test', suspect_at = clock_timestamp()`);
  const { send } = await signInAs(api, 'admin');
  const topUp = { key: createKey(), body: { amount: '5' } };
  expect((await send('POST', '/v1/customers/7/top-ups', topUp)).status).toBe(503);
  expect((await send('GET', '/v1/clock')).status).toBe(200);
});

test('the database has only hashes, and a lifetime of a link has a limit of a day', async () => {
  const api = await startApi({ ui });
  const link = await createLink(api);
  const { cookie } = await signInAs(api, 'read');
  const rows = await api.database.query<{ row: string }>`
    SELECT l::text AS row FROM perennial.operator_link l
    UNION ALL SELECT s::text FROM perennial.operator_session s
    UNION ALL SELECT e::text FROM perennial.event e`;
  const text = rows.map(({ row }) => row).join('\n');
  for (const secret of [link, cookie]) expect(text).not.toContain(secret.slice(12, -6));
  const request = { name: 'Anna', scope: 'read' as const, lastsMs: 1e12 };
  const long = await createSignInLink(api.database.db, request, 'test');
  expect(long.expires_at - long.created_at).toBe(24 * 3_600_000);
  const found = await findSession(api.database.db, cookie);
  expect(Object.keys(found ?? {})).not.toContain('hash');
});
