import { createServer } from 'node:net';
import { expect, test, vi } from 'vitest';
import { createToken } from '../../../src/tokens/store.ts';
import { until } from '../../../testbed/until.ts';
import { createDatabase } from '../../support/database.ts';
import { countBlocked, holdLocks } from '../../support/locks.ts';
import { startPerennial } from '../../support/perennial-process.ts';
import { addCustomer, createShopDatabase } from '../../support/shop.ts';

// The API as a separate process: start, answers and shutdown.

vi.setConfig({ testTimeout: 90_000 });

test('the service answers at the address that it logs, and completes a pending request on shutdown', async () => {
  await using database = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  await addCustomer(database, 7n);
  const { token } = await createToken(
    database.db,
    { name: 'bot', scopes: ['sell'], lastsMs: undefined },
    'test',
  );
  await using service = startPerennial(['start', '--role', 'api'], {
    url: database.url,
    extraConfig: 'http: { port: 0 }',
    logLevel: 'info',
  });
  const { api, workers } = await service.untilReady();
  expect(workers).toEqual([]);
  const topUp = () =>
    fetch(`${api}/v1/customers/7/top-ups`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'idempotency-key': 'one',
      },
      body: '{"amount": "10"}',
    });
  // A transaction locks the customer, so the request waits while the service receives SIGTERM.
  const { release } = await holdLocks(database, 'SELECT FROM perennial.customer FOR NO KEY UPDATE');
  const pending = topUp();
  await until('the request waits', async () => (await countBlocked(database)) > 0);
  service.kill('SIGTERM');
  await service.untilLine('shutdown', ({ msg }) => msg.startsWith('shutdown'));
  await release();
  const answer = await pending;
  expect(answer.status).toBe(201);
  expect(await answer.json()).toMatchObject({ balance: '10.00' });
  const { code, out } = await service.exit;
  expect(code).toBe(0);
  // The service ends by itself, before the time limit of the shutdown.
  expect(out).toContain('"ended"');
  expect(out).not.toContain(token);
  await expect(topUp()).rejects.toThrow();
});

test('`start --role api` with a port in use exits with one sentence', async () => {
  await using database = await createDatabase();
  const other = createServer();
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
  const { port } = other.address() as { port: number };
  const { code, err } = await startPerennial(['start', '--role', 'api'], {
    url: database.url,
    extraConfig: `http: { port: ${port} }`,
  }).exit;
  other.close();
  expect(code).toBe(2);
  expect(err).toBe(
    `perennial: http: can't listen on 127.0.0.1:${port}: another program listens there; ` +
      'set http.port to another port, or to 0 for any free port\n',
  );
});
