import { expect, test } from 'vitest';
import { runBulkJob } from '../../../src/bulk/job-run.ts';
import { createKey, startApi } from '../../support/api.ts';
import { addCustomer, createSubscriber } from '../../support/shop.ts';

// Lists, lookups, blocks and bulk jobs over HTTP.

test('a list is filtered, paged and counted', async () => {
  const { send, database, tokens } = await startApi();
  for (const id of [1n, 2n, 3n]) await createSubscriber(database, id, 0n);
  const token = tokens.read;
  const first = await send('GET', '/v1/customers?state=active&limit=2&count=yes', { token });
  expect(first.json).toMatchObject({
    items: [{ telegram_id: 1, active: 1, balance: '0.00' }, { telegram_id: 2 }],
    count: 3,
    count_is_estimated: false,
  });
  const cursor = encodeURIComponent(first.json.next_cursor);
  const second = await send('GET', `/v1/customers?state=active&limit=2&cursor=${cursor}`, {
    token,
  });
  expect(second.json).toMatchObject({
    items: [{ telegram_id: 3 }],
    next_cursor: null,
    count: null,
  });
  const short = await send('GET', '/v1/subscriptions?short=yes&sort=-expires_at', { token });
  expect(short.json.items).toMatchObject([{ missing: '149.00' }, {}, {}]);
  const other = await send('GET', `/v1/subscriptions?cursor=${cursor}`, { token });
  expect([other.status, other.json.type]).toEqual([400, 'urn:perennial:problem:other_list']);
});

test('a list is CSV by format or by Accept', async () => {
  const { send, database } = await startApi();
  for (const id of [1n, 2n]) await createSubscriber(database, id, 0n);
  const first = await send('GET', '/v1/subscriptions?format=csv&limit=1');
  expect(first.headers.get('content-type')).toBe('text/csv; charset=utf-8');
  const [header, row, ...more] = first.text.split('\n');
  expect(header).toMatch(/^id,telegram_id,kind,plan,/);
  expect(row).toMatch(/^\d+,1,paid,basic,30,active,/);
  expect(more).toEqual(['']);
  const cursor = encodeURIComponent(first.headers.get('next-cursor') ?? '');
  const rest = await send('GET', `/v1/subscriptions?cursor=${cursor}`, {
    headers: { accept: 'text/csv' },
  });
  expect(rest.text.split('\n')[1]).toMatch(/^\d+,2,paid,/);
  expect(rest.headers.get('next-cursor')).toBe(null);
});

test.each([
  ['colour=red', 400, 'unknown_parameter', /available: state, kind, plan/],
  ['state=gone', 400, 'bad_filter', /expected active, expired or revoked/],
  ['plan=gold', 422, 'no_plan', /available: basic/],
  ['node_group=gold', 422, 'no_group', /available: all/],
  ['sort=balance', 400, 'bad_input', /query\.sort/],
  ['cursor=x', 400, 'bad_cursor', /is not a cursor; expected next_cursor/],
  ['lookup=7&state=active', 400, 'bad_filter', /cannot be used together with lookup/],
])('the query %s is refused with a clear problem', async (query, status, code, detail) => {
  const { send } = await startApi();
  const answer = await send('GET', `/v1/customers?${query}`);
  expect([answer.status, answer.json.type]).toEqual([status, `urn:perennial:problem:${code}`]);
  expect(answer.json.detail).toMatch(detail);
});

test('a lookup finds customers by a value', async () => {
  const { send, database, tokens } = await startApi();
  await addCustomer(database, 7n);
  const { json } = await send('GET', '/v1/customers/7');
  const found = await send('GET', `/v1/customers?lookup=${json.sub_token}`, { token: tokens.read });
  expect(found.json.items).toMatchObject([{ telegram_id: 7, matched_by: 'sub_token' }]);
  expect(found.text).not.toContain(json.sub_token);
  expect((await send('GET', '/v1/customers?lookup=nothing')).json.items).toEqual([]);
});

test('a customer is blocked and unblocked with the scope admin', async () => {
  const { send, database, tokens } = await startApi();
  await createSubscriber(database, 7n, 300_00n);
  const post = (path: string, body: unknown, token = tokens.admin) =>
    send('POST', `/v1/customers/7/${path}`, { token, key: createKey(), body });
  expect((await post('block', { reason: 'abuse' }, tokens.sell)).status).toBe(403);
  expect((await post('block', { reason: 'abuse' })).json).toMatchObject({ subscriptions: 1 });
  const sale = await post('purchases', { plan: 'basic', period_days: 30 });
  expect([sale.status, sale.json.type]).toEqual([409, 'urn:perennial:problem:blocked']);
  const shown = await send('GET', '/v1/customers/7');
  expect(shown.json).toMatchObject({ blocked_reason: 'abuse', links: [] });
  expect((await post('unblock', { reason: 'appeal' })).json).toMatchObject({ blocked_at: null });
  const timeline = await send('GET', '/v1/customers/7/timeline?limit=1');
  expect(timeline.json.items[0]).toMatchObject({
    action: 'unblocked',
    detail: { reason: 'appeal' },
    actor: expect.stringMatching(/^api:test admin/),
  });
});

test('a bulk job is previewed, created once for its key, run, read and listed', async () => {
  const { send, database, tokens } = await startApi();
  for (const id of [1n, 2n]) await createSubscriber(database, id, 0n);
  const body = { action: 'grant', days: 2, where: { node_group: 'all' } };
  const preview = await send('POST', '/v1/bulk-jobs/preview', { body });
  expect(preview.json).toMatchObject({ count: 2, customers: [{ telegram_id: 1 }, {}] });
  const refused = await send('POST', '/v1/bulk-jobs', { token: tokens.sell, key: 'k', body });
  expect(refused.status).toBe(403);
  const created = await send('POST', '/v1/bulk-jobs', { key: 'k', body });
  expect([created.status, created.json.total]).toEqual([201, 2]);
  const again = await send('POST', '/v1/bulk-jobs', { key: 'k', body });
  expect(again.text).toBe(created.text);
  const { id } = created.json;
  await runBulkJob(database.db, BigInt(id), { mustStop: () => false });
  const done = await send('GET', `/v1/bulk-jobs/${id}`, { token: tokens.read });
  expect(done.json).toMatchObject({ state: 'done', done: 2, reasons: {} });
  expect((await send('GET', '/v1/bulk-jobs')).json.items).toHaveLength(1);
  const cancelled = await send('POST', `/v1/bulk-jobs/${id}/cancel`);
  expect([cancelled.status, cancelled.json.type]).toEqual([409, 'urn:perennial:problem:is_over']);
});

test.each([
  [{ action: 'grant', where: {}, days: 2 }, 400, 'no_filter'],
  [{ action: 'grant', where: { state: 'active' } }, 400, 'bad_input'],
  [{ action: 'grant', where: { colour: 'red' }, days: 2 }, 400, 'bad_input'],
  [{ action: 'refund', where: { state: 'active' } }, 400, 'bad_input'],
  [{ action: 'announcement', where: { state: 'active' }, texts: { ru: 'x' } }, 400, 'bad_texts'],
])('the bulk job %j is refused', async (body, status, code) => {
  const { send } = await startApi();
  const answer = await send('POST', '/v1/bulk-jobs', { key: createKey(), body });
  expect([answer.status, answer.json.type]).toEqual([status, `urn:perennial:problem:${code}`]);
});
