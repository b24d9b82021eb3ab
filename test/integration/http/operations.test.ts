import { expect, test, vi } from 'vitest';
import { readClock } from '../../../src/db/clock.ts';
import { dayMs, isoTime, later } from '../../../src/kernel/instant.ts';
import { startApi } from '../../support/api.ts';
import { waitForOldTransactions } from '../../support/old-transactions.ts';
import { createSubscriber, runWorkerAt } from '../../support/shop.ts';

// Routes for operators: audit, quarantine, notices, workers and nodes.

test('the audit route confirms a database without violations, and names a violation', async () => {
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
  const dismiss = `/v1/quarantine/keep-node/${encodeURIComponent('nl-1/5')}/dismiss`;
  const unexplained = await send('POST', dismiss);
  expect([unexplained.status, unexplained.json.type]).toEqual([
    400,
    'urn:perennial:problem:bad_input',
  ]);
  const dismissed = await send('POST', dismiss, { body: { reason: 'the node is new' } });
  expect(dismissed.status).toBe(200);
  const gone = await send('POST', '/v1/quarantine/auto-renewal/99/retry');
  expect([gone.status, gone.json.type]).toEqual([404, 'urn:perennial:problem:no_item']);
  expect(gone.json.detail).toBe(
    'no item "99" of auto-renewal is in quarantine; available: 5 (auto-renewal), 6 (auto-renewal)',
  );
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

test('quarantined items have their customer, and are filtered, counted and retried by reason', async () => {
  const { send, database } = await startApi();
  const id = await createSubscriber(database, 7n, 0n);
  await database.pool.query(`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    SELECT worker, item, reason, perennial.clock() + interval '1 hour', perennial.clock()
    FROM (VALUES ('auto-renewal', '${id}', 'no_price: set a price'), ('keep-node', 'nl-1/${id}', 'kills_node: x'))
      AS q (worker, item, reason)`);
  const listed = await send('GET', '/v1/quarantine?reason=no_price');
  expect(listed.json).toMatchObject({
    items: [
      {
        item: `${id}`,
        reason: 'no_price',
        sentence: 'set a price',
        telegram_id: 7,
        subscription_id: Number(id),
      },
    ],
    counts: [{ worker: 'auto-renewal', reason: 'no_price', items: 1 }],
  });
  expect((await send('GET', '/v1/quarantine?worker=nobody')).status).toBe(400);
  expect((await send('POST', '/v1/quarantine/retry', { body: {} })).status).toBe(400);
  const retried = await send('POST', '/v1/quarantine/retry', { body: { reason: 'kills_node' } });
  expect(retried.json.items).toMatchObject([{ item: `nl-1/${id}`, telegram_id: 7 }]);
  const timeline = await send('GET', '/v1/customers/7/timeline');
  expect(timeline.json.items[0]).toMatchObject({
    subject: `subscription:${id}`,
    action: 'quarantine_retried',
    detail: { worker: 'keep-node', failure: 'kills_node' },
  });
});

test('runs are listed page by page by worker, outcome and start, and a run shows what it did', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 149_00n);
  const { id } = await runWorkerAt(
    database,
    later(await readClock(database.db), 30 * dayMs),
    'auto-renewal',
  );
  await database.pool.query(`
    INSERT INTO perennial.worker_run (worker, replica, replica_number, started_at, finished_at, outcome)
    SELECT 'auto-renewal', 'r', 1, perennial.clock() - interval '2 days', perennial.clock() - interval '2 days', 'failed'`);
  const first = await send('GET', '/v1/runs?limit=1');
  expect(first.json).toMatchObject({
    items: [{ outcome: 'failed' }],
    next_cursor: expect.any(String),
  });
  const second = await send('GET', `/v1/runs?limit=1&cursor=${first.json.next_cursor}`);
  expect(second.json).toMatchObject({
    items: [{ id: Number(id), worker: 'auto-renewal', outcome: 'success', changed: 1, held: 0 }],
    next_cursor: null,
  });
  const failed = await send('GET', '/v1/runs?worker=auto-renewal&outcome=failed');
  expect(failed.json.items).toHaveLength(1);
  const since = encodeURIComponent(isoTime(later(await readClock(database.db), -dayMs)));
  expect((await send('GET', `/v1/runs?since=${since}`)).json.items).toHaveLength(1);
  for (const query of ['worker=nobody', 'outcome=good', 'since=yesterday', 'kind=x']) {
    expect((await send('GET', `/v1/runs?${query}`)).status, query).toBe(400);
  }
  const shown = await send('GET', `/v1/runs/${id}`);
  expect(shown.json).toMatchObject({
    overlapping: [],
    actions: [{ action: 'renewed', events: 1 }],
    charges: [{ currency: 'RUB', kind: 'renewal', entries: 1, amount: '-149.00' }],
    notices: [{ kind: 'receipt', notices: 1 }],
    quarantined: [],
    events: [{ telegram_id: 7, action: 'renewed' }],
  });
  const unknown = await send('GET', '/v1/runs/999999');
  expect([unknown.status, unknown.json.type]).toEqual([404, 'urn:perennial:problem:no_run']);
});

test('the audit route checks only what changed since the last clean audit', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 10_00n);
  await createSubscriber(database, 8n, 10_00n);
  await waitForOldTransactions(database);
  const first = await send('GET', '/v1/audit?since_last=true');
  expect(first.json).toMatchObject({ ok: true, since: { at: null, customers: null } });
  expect((await send('GET', '/v1/audit?since_last=true')).json.since).toMatchObject({
    customers: 0,
  });
  await database.pool.query(
    'UPDATE perennial.customer SET balance_minor = balance_minor + 1 WHERE telegram_id = 8',
  );
  const wrong = await send('GET', '/v1/audit?since_last=true');
  expect(wrong.json).toMatchObject({ ok: false, since: { customers: 1, because: null } });
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

test('couriers are listed with their pauses and errors', async () => {
  const { send, database } = await startApi();
  await database.pool.query(`
    INSERT INTO perennial.courier (id, failures, rests_until, last_error) VALUES
      ('email:shop', 0, perennial.clock() - interval '1 hour', NULL),
      ('telegram:1', 4, '2100-01-01T00:00:00Z', 'the token is wrong')`);
  const { json } = await send('GET', '/v1/couriers');
  expect(json.items).toEqual([
    { id: 'email:shop', delivers: false, rests_until: null, failures: 0, last_error: null },
    {
      ...{ id: 'telegram:1', delivers: false, rests_until: '2100-01-01T00:00:00.000Z' },
      ...{ failures: 4, last_error: 'the token is wrong' },
    },
  ]);
});

test('workers and nodes are listed with their latest state', async () => {
  const { send } = await startApi();
  const workers = await send('GET', '/v1/workers');
  expect(workers.json.items.map(({ name }: { name: string }) => name)).toContain('auto-renewal');
  const nodes = await send('GET', '/v1/nodes');
  expect(nodes.json.items).toMatchObject([{ id: 'nl-1', marks_waiting: 0, last_seen_at: null }]);
});

test('a node is listed with its users and the progress of its seed', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 10_00n);
  await createSubscriber(database, 8n, 10_00n);
  await database.query`UPDATE perennial.node
    SET boot_at = perennial.clock(), seeded_boot_at = NULL, seed_marked = 1`;
  const { json } = await send('GET', '/v1/nodes');
  expect(json.items).toMatchObject([{ users: 2, seeding: true, seed_marked: 1 }]);
});

test('an audit may take longer than a silent connection', async () => {
  const { send, database } = await startApi({ silentMs: 300 });
  const blocker = await database.pool.connect();
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE perennial.customer IN ACCESS EXCLUSIVE MODE');
  const audit = send('GET', '/v1/audit');
  const outcome = audit.then(({ status }) => status).catch(String);
  await blocker.query('SELECT pg_sleep(1.5)');
  await blocker.query('ROLLBACK');
  blocker.release();
  expect(await outcome).toBe(200);
});

test('the progress of an audit names its present check, and a client that leaves ends it', async () => {
  const { send, database, address, tokens } = await startApi();
  const readProgress = async () => (await send('GET', '/v1/audit/progress')).json.running;
  expect(await readProgress()).toBeNull();
  const blocker = await database.pool.connect();
  await blocker.query('BEGIN');
  await blocker.query('LOCK TABLE perennial.customer IN ACCESS EXCLUSIVE MODE');
  const client = new AbortController();
  const audit = fetch(`${address}/v1/audit`, {
    headers: { authorization: `Bearer ${tokens.admin}` },
    signal: client.signal,
  });
  await vi.waitFor(async () => expect(await readProgress()).toMatchObject({ at: 1 }), 20_000);
  const { of, title, elapsed_ms } = await readProgress();
  expect(of).toBeGreaterThan(50);
  expect([typeof title, elapsed_ms >= 0]).toEqual(['string', true]);
  client.abort();
  await expect(audit).rejects.toThrow();
  await vi.waitFor(async () => expect(await readProgress()).toBeNull(), 20_000);
  await blocker.query('ROLLBACK');
  blocker.release();
});
