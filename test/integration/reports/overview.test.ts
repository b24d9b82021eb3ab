import { expect, test } from 'vitest';
import { readOverview } from '../../../src/reports/overview.ts';
import { explain, recordStatements } from '../../../testbed/explain.ts';
import { startApi } from '../../support/api.ts';
import { corrupt } from '../../support/corruption.ts';
import {
  addCustomer,
  createEndingSubscribers,
  createShopDatabase,
  createSubscriber,
  createSubscribers,
  runAutoRenewal,
  runWorker,
  runWorkerAt,
} from '../../support/shop.ts';

// The overview: each figure equals the rows of the list that its link names.

test('each count equals the number of rows of its list', async () => {
  const { send, database } = await startApi({ now: '2026-11-01T09:00:00Z' });
  for (const id of [1n, 2n, 3n]) await createSubscriber(database, id, id === 1n ? 500_00n : 0n);
  await addCustomer(database, 4n, { balanceMinor: 10_00n });
  await createEndingSubscribers(database, 30, '2026-12-01T03:00:00Z');
  // Within the window: one renewal succeeds, two are short. The others have no auto-renewal.
  await database.setClock('2026-12-01T05:00:00Z');
  await runAutoRenewal(database);
  await runWorker(database, 'fast-expiry-cleanup');
  const { status, json } = await send('GET', '/v1/overview', {});
  expect(status).toBe(200);
  expect(json).toMatchObject({
    now: '2026-12-01T05:00:00.000Z',
    collected_today: { since: '2026-12-01T00:00:00.000Z', amounts: [] },
    charged_today: { amounts: [{ currency: 'RUB', count: 1, amount: '149.00' }] },
    late: { count: 0 },
    short: { count: 2 },
    held: { count: 25, items: [{ kind: 'ends', subject: 'fast-expiry-cleanup', count: 25 }] },
    nodes: { up: 0, down: 1, draining: 0 },
    subscriptions: { count: 33, count_is_estimated: false },
    active_subscriptions: { count: 28 },
    customers: { count: 34 },
  });
  for (const name of ['late', 'short', 'active_subscriptions', 'subscriptions', 'customers']) {
    const { count, link } = json[name];
    const parameters = new URLSearchParams({ ...link.query, limit: '500' });
    const list = await send('GET', `/v1/${link.list}?${parameters}`);
    expect([name, list.json.items.length]).toEqual([name, count]);
  }
  const pending = await send('GET', '/v1/notices?state=pending&limit=500');
  expect(pending.json.items.length).toBe(json.pending_notices.count);
});

test('a renewal that no run has tried is late after its end', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T09:00:00Z' });
  await createSubscriber(database, 7n, 500_00n);
  await database.setClock('2026-12-01T10:00:00Z');
  expect(await readOverview(database.db)).toMatchObject({
    late: { count: 1 },
    short: { count: 0 },
  });
});

test('the overview has the last audit of everything, or of changes', async () => {
  const { send, database } = await startApi({ now: '2026-11-01T09:00:00Z' });
  expect((await send('GET', '/v1/overview')).json.last_audit).toBeNull();
  await createSubscriber(database, 7n, 500_00n);
  await send('GET', '/v1/audit');
  expect((await send('GET', '/v1/overview')).json.last_audit).toMatchObject({
    kind: 'everything',
    at: '2026-11-01T09:00:00.000Z',
    ok: true,
    violations: 0,
  });
  await database.setClock('2026-11-01T10:00:00Z');
  await database.query`UPDATE perennial.customer SET balance_minor = balance_minor + 1`;
  const { checks } = (await send('GET', '/v1/audit?since_last=true')).json;
  const violations = checks.reduce(
    (sum: number, one: { violations: number }) => sum + one.violations,
    0,
  );
  expect((await send('GET', '/v1/overview')).json.last_audit).toMatchObject({
    kind: 'changes',
    at: '2026-11-01T10:00:00.000Z',
    ok: false,
    violations,
  });
});

test('what is due within a day comes from the stored forecast, else from the subscriptions', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T09:00:00Z' });
  await createSubscribers(database, {
    count: 3,
    endsAt: '2026-11-20T12:00:00Z',
    balanceMinor: 149_00n,
  });
  await createSubscriber(database, 7n, 0n);
  await database.setClock('2026-11-19T12:00:00Z');
  const due = { count: 3, amounts: [{ currency: 'RUB', count: 3, amount: '447.00' }] };
  expect(await readOverview(database.db)).toMatchObject({
    due_24h: { ...due, source: 'prices', as_of: null },
  });
  await runWorkerAt(database, '2026-11-19T12:01:00Z', 'store-forecast');
  expect(await readOverview(database.db)).toMatchObject({
    due_24h: { ...due, source: 'forecast', as_of: '2026-11-19T12:01:00.000Z' },
  });
});

test('the overview reads no whole table that grows', async () => {
  await using database = await createShopDatabase({ now: '2026-11-01T09:00:00Z' });
  await createSubscribers(database, {
    count: 20_000,
    endsAt: '2026-11-20T12:00:00Z',
    balanceMinor: 149_00n,
  });
  await corrupt(
    database.url,
    `INSERT INTO notification (customer_id, channel, kind, dedupe_key, params, state, created_at, next_attempt_at)
     SELECT id, 'telegram', 'receipt', 'r' || id, '{}', 'suppressed', created_at, created_at FROM customer;
     ANALYZE`,
  );
  await runWorker(database, 'store-forecast');
  const { db, statements } = recordStatements(database.pool);
  const { customers } = await readOverview(db);
  expect(customers.count_is_estimated).toBe(true);
  const explained = await explain(database.pool, statements);
  const isWrong = ({ reads, buffers }: (typeof explained)[number]) =>
    /Seq Scan (ledger_entry|notification|event)\b/.test(reads.join()) || buffers > 60_000;
  expect(explained.filter(isWrong)).toEqual([]);
});
