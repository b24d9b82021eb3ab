import { get, type IncomingMessage } from 'node:http';
import { expect, test, vi } from 'vitest';
import { startPerennial } from '../../support/perennial-process.ts';
import { createShopDatabase } from '../../support/shop.ts';

// The dashboard as a part of the service: start, sign-in, stream and shutdown.

vi.setConfig({ testTimeout: 90_000 });

const site = { 'sec-fetch-site': 'same-origin' };

test('`start` serves the dashboard by the key `ui`, and its end closes an open stream at once', async () => {
  await using database = await createShopDatabase();
  const { url } = database;
  // A browser keeps no cookie of this address, so the start warns. A tunnel to localhost works.
  const extraConfig = 'ui: { url: "http://panel.example.com" }\nhttp: { port: 0 }';
  const linked = await startPerennial(['ui', 'link', 'Anna', '--role', 'admin', '--json'], {
    url,
    extraConfig,
  }).exit;
  expect(linked.code, linked.err).toBe(0);
  const link = new URL((JSON.parse(linked.out) as { url: string }).url);
  expect(`${link.origin}${link.pathname}`).toBe('http://panel.example.com/ui/sign-in');
  await using service = startPerennial(['start'], { url, extraConfig, logLevel: 'info' });
  const { api } = await service.untilReady();
  const page = await fetch(`${api}/ui/sign-in`);
  expect([page.status, await page.text()]).toEqual([
    200,
    expect.stringContaining('<div id="app">'),
  ]);
  const answer = await fetch(`${api}/ui/session`, {
    method: 'POST',
    headers: { ...site, 'content-type': 'application/json' },
    body: JSON.stringify({ link: link.hash.slice(1) }),
  });
  expect(answer.status).toBe(201);
  const cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? '';
  const stream = await new Promise<IncomingMessage>((resolve) =>
    get(`${api}/ui/events`, { headers: { ...site, cookie }, agent: false }, resolve),
  );
  expect(stream.statusCode).toBe(200);
  stream.on('error', () => undefined).resume();
  const startedMs = performance.now();
  service.kill('SIGTERM');
  const { code, out } = await service.exit;
  expect(code).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(8_000);
  expect(out).toMatch(/ui\.url: .* is plain HTTP on another host than localhost/);
  for (const secret of [link.hash.slice(13, -6), cookie.slice(-38, -6)])
    expect(out).not.toContain(secret);
});
