import { expect, test } from 'vitest';
import { type BrowserRefusal, findBrowserRefusal } from './browser-request.ts';
import { parseSessionCookie } from './cookie.ts';
import { computeUiOrigin, findCookieObstacle } from './origin.ts';

const page = 'panel.example.com';

test.for<[headers: Record<string, string>, refusal: BrowserRefusal | undefined]>([
  [{ host: page, 'sec-fetch-site': 'same-origin' }, undefined],
  [{ host: `${page}:8443`, 'sec-fetch-site': 'same-origin' }, undefined],
  [{ host: 'Panel.Example.com', 'sec-fetch-site': 'same-origin' }, undefined],
  [{ host: 'localhost:8080', 'sec-fetch-site': 'same-origin' }, undefined],
  [{ host: '127.0.0.1:8080', 'sec-fetch-site': 'same-origin' }, undefined],
  [{ host: '[::1]:8080', 'sec-fetch-site': 'same-origin' }, undefined],
  [{ host: page, 'sec-fetch-site': 'same-site' }, 'cross_site'],
  [{ host: page, 'sec-fetch-site': 'cross-site' }, 'cross_site'],
  [{ host: page, 'sec-fetch-site': 'none' }, 'cross_site'],
  [{ host: page, 'sec-fetch-site': '' }, 'cross_site'],
  [{ host: page, 'sec-fetch-site': 'same-origin, cross-site' }, 'cross_site'],
  [{ host: page, 'sec-fetch-site': 'cross-site', origin: `https://${page}` }, 'cross_site'],
  [{ host: page, origin: `https://${page}` }, undefined],
  [{ host: `${page}:8443`, origin: `https://${page}:8443` }, undefined],
  [{ host: page, origin: `https://${page}:8443` }, 'cross_site'],
  [{ host: page, origin: 'https://evil.example.com' }, 'cross_site'],
  [{ host: page, origin: `https://${page}.evil.example.com` }, 'cross_site'],
  [{ host: page, origin: 'null' }, 'cross_site'],
  [{ host: page }, 'cross_site'],
  [{ host: 'evil.example.com', 'sec-fetch-site': 'same-origin' }, 'unknown_host'],
  [{ host: `${page}.evil.example.com`, 'sec-fetch-site': 'same-origin' }, 'unknown_host'],
  [{ host: `${page}@evil.example.com`, 'sec-fetch-site': 'same-origin' }, 'unknown_host'],
  [{ host: `evil.example.com/${page}`, 'sec-fetch-site': 'same-origin' }, 'unknown_host'],
  [{ host: '127.0.0.1.nip.io', 'sec-fetch-site': 'same-origin' }, 'unknown_host'],
  [{ host: '10.0.0.1', 'sec-fetch-site': 'same-origin' }, 'unknown_host'],
  [{ host: '', 'sec-fetch-site': 'same-origin' }, 'unknown_host'],
  [{ 'sec-fetch-site': 'same-origin' }, 'unknown_host'],
])('a request with %j is refused as %s', ([headers, refusal]) => {
  expect(findBrowserRefusal(headers, page)).toBe(refusal);
});

test('without ui.url only names of loopback are hosts of the dashboard', () => {
  const site = { 'sec-fetch-site': 'same-origin' };
  expect(findBrowserRefusal({ host: 'localhost', ...site }, undefined)).toBeUndefined();
  expect(findBrowserRefusal({ host: page, ...site }, undefined)).toBe('unknown_host');
});

test.for<[header: string | undefined, cookie: string | undefined]>([
  [undefined, undefined],
  ['', undefined],
  ['__Host-perennial=abc', 'abc'],
  ['other=1; __Host-perennial=abc; theme=dark', 'abc'],
  ['other=1;__Host-perennial=a=b', 'a=b'],
  ['__Host-perennial=', undefined],
  ['__host-perennial=abc', undefined],
  ['x__Host-perennial=abc', undefined],
  ['__Host-perennial=abc; __Host-perennial=def', undefined],
])('the session cookie of %j is %j', ([header, cookie]) => {
  expect(parseSessionCookie(header)).toBe(cookie);
});

const http = { per_minute: 1, per_minute_without_token: 1, per_minute_links: 1 };
const limits = { ...http, per_minute_refused_tokens: 1 };

test.for<[host: string, port: number, url: string | undefined, origin: string | undefined]>([
  ['127.0.0.1', 8_080, undefined, 'http://127.0.0.1:8080'],
  ['localhost', 80, undefined, 'http://localhost'],
  ['::1', 9_000, undefined, 'http://[::1]:9000'],
  ['127.0.0.1', 0, undefined, undefined],
  ['0.0.0.0', 8_080, undefined, undefined],
  ['10.0.0.1', 8_080, undefined, undefined],
  ['0.0.0.0', 8_080, `https://${page}`, `https://${page}`],
])('the origin for %s:%i with ui.url %s is %s', ([host, port, url, origin]) => {
  expect(computeUiOrigin({ ui: { url }, http: { ...limits, host, port } })).toBe(origin);
});

test('the origin without `http` is the default address, and with TLS it is https', () => {
  expect(computeUiOrigin({ ui: {} })).toBe('http://127.0.0.1:8080');
  const tls = { cert: 'a', key: 'b' };
  const config = { ui: {}, http: { ...limits, host: 'localhost', port: 443, tls } };
  expect(computeUiOrigin(config)).toBe('https://localhost');
});

test.for<[host: string, url: string | undefined, obstacle: RegExp | undefined]>([
  ['127.0.0.1', undefined, undefined],
  ['0.0.0.0', `https://${page}`, undefined],
  ['0.0.0.0', 'http://localhost:9000', undefined],
  ['127.0.0.1', `http://${page}`, /plain HTTP .*expected https/],
  ['0.0.0.0', undefined, /is not set/],
])('a cookie for %s with ui.url %s meets %s', ([host, url, obstacle]) => {
  const found = findCookieObstacle({ ui: { url }, http: { ...limits, host, port: 8_080 } });
  if (obstacle === undefined) expect(found).toBeUndefined();
  else expect(found).toMatch(obstacle);
});
