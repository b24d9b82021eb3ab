import { once } from 'node:events';
import { connect } from 'node:net';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { openServer } from '../../../src/http/server.ts';
import { createToken } from '../../../src/tokens/store.ts';
import { until } from '../../../testbed/until.ts';
import { createDatabase } from '../../support/database.ts';
import { countBlocked } from '../../support/locks.ts';
import { silentLog } from '../../support/log.ts';
import { addCustomer } from '../../support/shop.ts';

// The graceful close of the API: it waits for pending answers only.

test('P8: the API closes after its last answer, also with silent, incomplete and idle connections', async () => {
  await using database = await createDatabase({ now: '2026-11-24T09:00:00Z' });
  await addCustomer(database, 7n);
  const { token } = await createToken(
    database.db,
    { name: 'test', scopes: ['admin'], lastsMs: undefined },
    'test',
  );
  const serverOptions = {
    db: database.db,
    url: database.url,
    log: silentLog as never,
    currency: 'RUB',
  };
  const server = await openServer(serverOptions);
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  const { hostname, port } = new URL(address);
  const openSocket = async (text: string) => {
    const socket = connect(Number(port), hostname);
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    const answer = { text: '', isOver: once(socket, 'close') };
    socket
      .on('error', () => undefined)
      .on('data', (bytes) => {
        answer.text += bytes;
      });
    socket.write(text);
    return answer;
  };
  const silent = await openSocket('');
  const incomplete = await openSocket('GET /v1/customers/7 HTTP/1.1\r\nhost:');
  const kept = await openSocket('GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('the connection stays open after its answer', () => kept.text.endsWith('}'));

  // A transaction locks the customer, so that this request is pending.
  const held = Promise.withResolvers<void>();
  const holding = database.db.transaction().execute(async (tx) => {
    await sql`SELECT FROM perennial.customer FOR NO KEY UPDATE`.execute(tx);
    await held.promise;
  });
  const body = '{"amount":"5"}';
  const pending = await openSocket(
    `POST /v1/customers/7/top-ups HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n` +
      `idempotency-key: k\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await until('the request waits', async () => (await countBlocked(database)) > 0);
  const closed = server.close();
  await Promise.all([silent, incomplete, kept].map(({ isOver }) => isOver));
  expect(pending.text).toBe('');
  held.resolve();
  await Promise.all([holding, closed, pending.isOver]);
  expect(pending.text).toMatch(/^HTTP\/1\.1 20\d [\s\S]*connection: close[\s\S]*"5\.00"/i);
});
