import { expect, test } from 'vitest';
import { until } from '../../../testbed/until.ts';
import { createKey, readFingerprint, startApi } from '../../support/api.ts';
import { countBlocked, holdLocks } from '../../support/locks.ts';
import { addCustomer, createSubscriber } from '../../support/shop.ts';

// Idempotency over HTTP: the same key gives the same bytes and one effect, also if the answer was
// lost. Matrix R16 covers each command; these tests cover the API.

test('R16: the same key and body get the same answer byte for byte, and take effect once', async () => {
  const { send, database } = await startApi();
  const id = await createSubscriber(database, 7n, 500_00n);
  const requests: readonly [path: string, body: unknown][] = [
    ['/v1/customers/7/top-ups', { amount: '10' }],
    ['/v1/customers/7/adjustments', { amount: '-1', reason: 'fee' }],
    ['/v1/customers/7/purchases', { plan: 'basic', period_days: 30 }],
    [`/v1/subscriptions/${id}/change-plan`, { plan: 'mini', period_days: 30, when: 'next' }],
    [`/v1/subscriptions/${id}/grant`, { days: 2 }],
    [`/v1/subscriptions/${id}/revoke`, { reason: 'asked', refund: 'unused' }],
  ];
  for (const [path, body] of requests) {
    const key = createKey();
    const first = await send('POST', path, { key, body });
    expect(first.status, first.text).toBeLessThan(300);
    const before = await readFingerprint(database);
    // The repeated request gets the stored answer.
    const again = await send('POST', path, { key, body });
    expect([again.status, again.text]).toEqual([first.status, first.text]);
    const other = await send('POST', path, {
      key,
      body: { ...(body as object), reason: 'x', amount: '3' },
    });
    expect([400, 422]).toContain(other.status);
    expect(await readFingerprint(database)).toBe(before);
  }
});

test('another body under a used key is refused with the code `key_reused`', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n);
  const key = createKey();
  await send('POST', '/v1/customers/7/top-ups', { key, body: { amount: '10' } });
  const other = await send('POST', '/v1/customers/7/top-ups', { key, body: { amount: '11' } });
  expect([other.status, other.json.type]).toEqual([422, 'urn:perennial:problem:key_reused']);
});

test('a second request during the first one is refused at once, and gets the same answer later', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n);
  const key = createKey();
  const body = { amount: '10' };
  // A transaction locks the customer, so the first request waits for the row.
  const { release } = await holdLocks(database, 'SELECT FROM perennial.customer FOR NO KEY UPDATE');
  const first = send('POST', '/v1/customers/7/top-ups', { key, body });
  await until('the first one waits', async () => (await countBlocked(database)) > 0);
  const second = await send('POST', '/v1/customers/7/top-ups', { key, body });
  expect([second.status, second.json.type]).toEqual([409, 'urn:perennial:problem:in_flight']);
  await release();
  const answer = await first;
  expect(answer.status).toBe(201);
  const again = await send('POST', '/v1/customers/7/top-ups', { key, body });
  expect(again.text).toBe(answer.text);
});
