import { expect, test } from 'vitest';
import { startApi } from '../../support/api.ts';
import { createSubscriber } from '../../support/shop.ts';

// Routes for operators: audit, quarantine, notices, workers and nodes.

test('the audit route confirms a right database, and names the violation of a wrong one', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 10_00n);
  const right = await send('GET', '/v1/audit');
  expect([right.status, right.json.ok]).toEqual([200, true]);
  await database.pool.query('UPDATE perennial.customer SET balance_minor = balance_minor + 1');
  const wrong = await send('GET', '/v1/audit');
  expect(wrong.json.ok).toBe(false);
  const [check] = wrong.json.checks.filter(
    ({ violations }: { violations: number }) => violations > 0,
  );
  expect(check).toMatchObject({ promise: 1, sample: [{ telegram_id: 7 }] });
});

test('quarantined items are listed page by page, retried and dismissed', async () => {
  const { send, database } = await startApi();
  await database.pool.query(`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    SELECT worker, item, 'no_price: none', perennial.clock() + interval '1 hour', perennial.clock()
    FROM unnest('{auto-renewal,auto-renewal,keep-node}'::text[], '{5,6,nl-1/5}'::text[]) AS q(worker, item)`);
  const first = await send('GET', '/v1/quarantine?limit=2');
  expect(first.json.items.map(({ item }: { item: string }) => item)).toEqual(['5', '6']);
  const cursor = encodeURIComponent(first.json.next_cursor);
  const second = await send('GET', `/v1/quarantine?limit=2&cursor=${cursor}`);
  expect(second.json).toMatchObject({ items: [{ worker: 'keep-node' }], next_cursor: null });

  const wakeUps: string[] = [];
  const client = await database.pool.connect();
  client.on('notification', ({ payload }) => wakeUps.push(payload ?? ''));
  await client.query('LISTEN perennial_wake');
  const retried = await send('POST', '/v1/quarantine/auto-renewal/5/retry');
  expect(retried.json).toEqual({ worker: 'auto-renewal', item: '5', done: true });
  const dismissed = await send(
    'POST',
    `/v1/quarantine/keep-node/${encodeURIComponent('nl-1/5')}/dismiss`,
  );
  expect(dismissed.status).toBe(200);
  const gone = await send('POST', '/v1/quarantine/auto-renewal/99/retry');
  expect([gone.status, gone.json.type]).toEqual([404, 'urn:perennial:problem:no_item']);
  const { rows } = await client.query(
    'SELECT item, retry_at <= perennial.clock() AS due FROM perennial.quarantine ORDER BY item',
  );
  expect(rows).toEqual([
    { item: '5', due: true },
    { item: '6', due: false },
  ]);

  const asked = await send('POST', '/v1/workers/fast-expiry-cleanup/runs');
  expect(asked.status).toBe(202);
  const unknownWorker = await send('POST', '/v1/workers/unknown/runs');
  expect([unknownWorker.status, unknownWorker.json.detail]).toEqual([
    404,
    expect.stringContaining('auto-renewal'),
  ]);
  await client.query('SELECT');
  client.release(true);
  expect(wakeUps).toEqual(['auto-renewal', 'fast-expiry-cleanup']);
});

test('a notice is cancelled, and sent again', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 0n);
  const listed = await send('GET', '/v1/notices?telegram_id=7&kind=receipt');
  const [receipt] = listed.json.items;
  expect(receipt).toMatchObject({ telegram_id: 7, kind: 'receipt', state: 'pending' });
  const path = `/v1/notices/${receipt.id}`;
  expect((await send('POST', `${path}/cancel`)).json).toMatchObject({ state: 'suppressed' });
  const again = await send('POST', `${path}/cancel`);
  expect([again.status, again.json.type]).toEqual([409, 'urn:perennial:problem:is_over']);
  expect((await send('POST', `${path}/resend`)).json).toMatchObject({ state: 'pending' });
});

test('workers and nodes are listed with their latest state', async () => {
  const { send } = await startApi();
  const workers = await send('GET', '/v1/workers');
  expect(workers.json.items.map(({ name }: { name: string }) => name)).toContain('auto-renewal');
  const nodes = await send('GET', '/v1/nodes');
  expect(nodes.json.items).toMatchObject([{ id: 'nl-1', marks_waiting: 0, last_seen_at: null }]);
});
