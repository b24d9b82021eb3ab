import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { expect, test, vi } from 'vitest';
import { readClock } from '../../../src/db/clock.ts';
import { hourMs } from '../../../src/kernel/instant.ts';
import { until } from '../../../testbed/until.ts';
import { createDatabase } from '../../support/database.ts';
import { startPerennial } from '../../support/perennial-process.ts';

// The start of a service in an unready environment: a clock that stands still, a port of another
// program, a PostgreSQL that starts later.

vi.setConfig({ testTimeout: 120_000 });

const begin = '2026-11-24T09:00:00Z';

async function listen(server: Server, port = 0): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('a service on a test database warns that its clock stands still', async () => {
  await using database = await createDatabase({ now: begin });
  const extraConfig = 'http: { port: 0 }';
  await using service = startPerennial(['start'], { url: database.url, extraConfig });
  const warning = await service.untilLine(
    'the warning',
    ({ msg }) => msg.includes('stands still'),
    60_000,
  );
  expect(warning).toMatchObject({ level: 'warn', clock: '2026-11-24T09:00:00.000Z' });
  expect(warning.msg).toContain('--rate N');
});

test('a service with `--rate` moves the clock of a test database', async () => {
  await using database = await createDatabase({ now: begin });
  const extraConfig = 'http: { port: 0 }';
  await using service = startPerennial(['start', '--rate', '3600'], {
    url: database.url,
    extraConfig,
  });
  await service.untilLine('the warning', ({ rate }) => rate === 3_600, 60_000);
  await service.untilLine('ready', ({ msg }) => msg === 'ready', 60_000);
  const isLater = async () =>
    (await readClock(database.db)) > Date.parse(begin) + hourMs || undefined;
  await until('the clock is an hour later', isLater, 60_000);
  await service.untilRun({ outcome: 'success' }, 60_000);
});

test('a service whose port is in use names `http.port: 0`, and its workers continue', async () => {
  await using database = await createDatabase();
  const other = createServer();
  const port = await listen(other);
  const extraConfig = `http: { port: ${port} }`;
  await using service = startPerennial(['start'], { url: database.url, extraConfig });
  const refused = await service.untilLine('the port', ({ code }) => code === 'no_listen', 60_000);
  expect(refused.msg).toContain(`can't listen on 127.0.0.1:${port}`);
  expect(refused.msg).toContain('the workers continue');
  expect(refused.msg).toContain('http.port: 0');
  await service.untilRun({ outcome: 'success' }, 60_000);
  other.close();
});

test('`start` waits for a PostgreSQL that starts later', async () => {
  await using database = await createDatabase();
  const real = new URL(database.url);
  const gate = createServer((inner) => {
    const outer = connect(Number(real.port), real.hostname);
    // The end of one side ends the other one.
    inner.on('error', () => outer.destroy()).pipe(outer);
    outer.on('error', () => inner.destroy()).pipe(inner);
  });
  const closed = createServer();
  const port = await listen(closed);
  await new Promise((done) => closed.close(done));
  const url = new URL(database.url);
  [url.hostname, url.port] = ['127.0.0.1', String(port)];
  const extraConfig = 'http: { port: 0 }';

  const none = await startPerennial(['start', '--wait', '0'], { url: url.href, extraConfig }).exit;
  expect(none.err).toMatch(/^perennial: [^\n]*\n$/);
  expect(none.code).not.toBe(0);

  await using service = startPerennial(['start', '--wait', '10m'], { url: url.href, extraConfig });
  const waiting = await service.untilLine(
    'waiting',
    ({ msg }) => msg === 'waiting for PostgreSQL',
    60_000,
  );
  expect(waiting).toMatchObject({ level: 'warn', reason: expect.stringContaining(String(port)) });
  await listen(gate, port);
  await service.untilLine('PostgreSQL', ({ msg }) => msg === 'PostgreSQL reachable', 60_000);
  await service.untilLine('ready', ({ msg }) => msg === 'ready', 60_000);
  service.kill('SIGTERM');
  expect(await service.exit).toMatchObject({ code: 0 });
  gate.close();
});
