import { join } from 'node:path';
import { expect, test } from 'vitest';
import { requireBuiltFolder } from '../../../../src/http/ui/files.ts';
import { startApi } from '../../../support/api.ts';
import { createPageFolder, pageText, scriptText, signInAs } from '../../../support/dashboard.ts';
import { sendRaw } from '../raw-request.ts';

// The files of the dashboard: policy, caches, compression, and no other file.

const folder = createPageFolder();
const ui = { host: undefined, folder };
const script = '/ui/assets/index-AbCd1234.js';
const get = { token: '' };

test('every path of `/ui` is the page with the strict policy, and needs no session', async () => {
  const api = await startApi({ ui });
  const { send } = api;
  for (const path of ['/ui', '/ui/', '/ui/sign-in', '/ui/customers/7?tab=2', '/ui/secret.txt']) {
    const { status, text, headers } = await send('GET', path, get);
    expect([path, status, text]).toEqual([path, 200, pageText]);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-cache');
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; require-trusted-types-for 'script'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    );
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('set-cookie')).toBeNull();
  }
  const etag = (await send('GET', '/ui/', get)).headers.get('etag');
  const again = await sendRaw(
    api,
    `GET /ui/ HTTP/1.1\r\nhost: x\r\nif-none-match: ${etag}\r\nconnection: close\r\n\r\n`,
  );
  expect([again.head.split('\r\n')[0], again.body]).toEqual(['HTTP/1.1 304 Not Modified', '']);
  const head = await send('HEAD', '/ui/', get);
  expect([head.status, head.text, head.headers.get('content-length')]).toEqual([
    200,
    '',
    String(pageText.length),
  ]);
});

test('assets are compressed and immutable, and a missing one is no page', async () => {
  const api = await startApi({ ui });
  for (const [accepted, sent] of [
    ['br, gzip', 'br'],
    ['gzip', 'gzip'],
    ['identity', null],
  ] as const) {
    const headers = { 'accept-encoding': accepted };
    const answer = await api.send('GET', script, { ...get, headers });
    expect([answer.status, answer.text]).toEqual([200, scriptText]);
    expect(answer.headers.get('content-encoding')).toBe(sent);
    expect(answer.headers.get('vary')).toMatch(/accept-encoding/i);
    expect(answer.headers.get('content-type')).toMatch(/^(text|application)\/javascript/);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  }
  for (const path of ['index-Zz.js', '', '.hidden.js', '..%2fsecret.txt', '%2e%2e/secret.txt']) {
    const answer = await api.send('GET', `/ui/assets/${path}`, get);
    const isPage = answer.text === pageText;
    expect([path, isPage || [403, 404].includes(answer.status)]).toEqual([path, true]);
    expect([path, answer.text === 'secret']).toEqual([path, false]);
  }
  for (const path of [
    '/ui/assets/../secret.txt',
    '/ui/../secret.txt',
    '/ui/assets/%2e%2e/%2e%2e/',
  ]) {
    const raw = await sendRaw(api, `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    expect([path, raw.body === 'secret']).toEqual([path, false]);
  }
  const posted = await api.send('POST', '/ui', { ...get, body: {} });
  expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('an old cookie does not prevent the page, and without the key `ui` there is no page', async () => {
  const api = await startApi({ ui });
  const { send } = await signInAs(api, 'read');
  await send('DELETE', '/ui/session');
  const headers = { 'sec-fetch-site': 'none' };
  expect((await send('GET', '/ui/', { headers })).status).toBe(200);
  const plain = await startApi();
  for (const path of ['/ui', '/ui/', script, '/ui/session', '/ui/events'])
    expect((await plain.send('GET', path, get)).status).toBe(404);
});

test('a folder without a build is refused with the command that builds it', () => {
  expect(requireBuiltFolder(folder)).toBe(folder);
  expect(() => requireBuiltFolder(join(folder, 'assets'))).toThrow(/npm run build:dashboard/);
});
