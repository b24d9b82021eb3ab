import { expect, test } from 'vitest';
import { createKey, readFingerprint, startApi, type TestApi } from '../../support/api.ts';
import { addCustomer, createSubscriber } from '../../support/shop.ts';

// Previews of changes: the same answer as the change, the customer before and after, no effect.

const customer = '/v1/customers/7';

/** Previews a change, then makes it. Both have the same answer. */
async function previewAndSend(
  { send, database }: TestApi,
  method: 'POST' | 'PATCH',
  path: string,
  body: object,
) {
  const fingerprint = await readFingerprint(database);
  const preview = await send('POST', `${path}/preview`, { body });
  expect(preview.status, preview.text).toBe(200);
  expect(await readFingerprint(database)).toBe(fingerprint);
  const key = method === 'POST' ? { key: createKey() } : {};
  const change = await send(method, path, { ...key, body });
  expect(change.status, change.text).toBeLessThan(300);
  return { ...preview.json, changed: change.json };
}

test('a preview of a top-up has the next charge before and after, and changes nothing', async () => {
  const api = await startApi();
  const id = await createSubscriber(api.database, 7n, 100_00n);
  const { before, after, answer, changed } = await previewAndSend(
    api,
    'POST',
    `${customer}/top-ups`,
    { amount: '49' },
  );
  expect(before).toMatchObject({
    balance: '100.00',
    next_charge: { missing: '49.00', reason: { code: 'short' } },
    subscriptions: [{ id: Number(id), next_charge: { reason: { code: 'short' } } }],
  });
  expect(after).toMatchObject({
    balance: '149.00',
    next_charge: { missing: '0.00', reason: { code: 'covered' } },
    subscriptions: [{ id: Number(id), next_charge: { reason: { code: 'covered' } } }],
  });
  expect(answer).toEqual({ ...changed, ledger_entry_id: answer.ledger_entry_id });
});

test('previews of changes of a subscription state its end, plan and next charge', async () => {
  const api = await startApi();
  const id = await createSubscriber(api.database, 7n, 500_00n);
  const path = `${customer}/subscriptions/${id}`;
  const state = ({ subscriptions }: { subscriptions: object[] }) => subscriptions[0];

  const granted = await previewAndSend(api, 'POST', `${path}/grant`, { days: 5 });
  expect(state(granted.before)).toMatchObject({ expires_at: '2026-12-24T09:00:00.000Z' });
  expect(state(granted.after)).toMatchObject({ expires_at: granted.changed.expires_at });
  expect(granted.answer).toEqual(granted.changed);

  const off = await previewAndSend(api, 'PATCH', path, { auto_renew: false });
  expect(state(off.before)).toMatchObject({ next_charge: { reason: { code: 'covered' } } });
  expect(off.after.next_charge).toMatchObject({ at: null, reason: { code: 'auto_renew_off' } });

  const change = { plan: 'plus', period_days: 30, when: 'now', forfeit: true };
  const moved = await previewAndSend(api, 'POST', `${path}/change-plan`, change);
  expect(state(moved.after)).toMatchObject({ plan: 'plus', expires_at: moved.changed.expires_at });
  expect(moved.after.balance).toBe(moved.changed.balance);

  const revoked = await previewAndSend(api, 'POST', `${path}/revoke`, { reason: 'asked' });
  expect(state(revoked.after)).toMatchObject({ state: 'revoked' });
});

test('previews of a refund, a block, a discount and an adjustment equal their changes', async () => {
  const api = await startApi();
  const { send, database } = api;
  await createSubscriber(database, 7n, 500_00n);
  const discount = await previewAndSend(api, 'PATCH', `${customer}/discount`, {
    discount_percent: 50,
  });
  expect(discount.after).toMatchObject({ discount_percent: 50, next_charge: { amount: '74.50' } });
  const adjusted = await previewAndSend(api, 'POST', `${customer}/adjustments`, {
    amount: '-500',
    reason: 'asked',
  });
  expect(adjusted.after).toMatchObject({
    balance: adjusted.changed.balance,
    next_charge: { missing: '74.50' },
  });
  const shown = await send('GET', customer);
  const [period] = shown.json.subscriptions[0].periods;
  const refund = { period_id: period.id, part: 'whole' };
  const refunded = await previewAndSend(api, 'POST', `${customer}/refunds`, refund);
  expect(refunded.after.balance).toBe(refunded.changed.balance);
  expect(refunded.after.subscriptions).toMatchObject([{ state: refunded.changed.state }]);
  const blocked = await previewAndSend(api, 'POST', `${customer}/block`, { reason: 'asked' });
  expect([blocked.before.blocked_at, blocked.after.blocked_at !== null]).toEqual([null, true]);
  await previewAndSend(api, 'POST', `${customer}/unblock`, { reason: 'asked' });
});

test('a preview has the refusal and the scope of its change', async () => {
  const { send, database, tokens } = await startApi();
  await addCustomer(database, 7n);
  const [path, body] = [`${customer}/adjustments`, { amount: '-1', reason: 'asked' }];
  const change = await send('POST', path, { key: createKey(), body });
  const preview = await send('POST', `${path}/preview`, { body });
  expect([preview.status, preview.json]).toEqual([change.status, change.json]);
  const sold = await send('POST', `${path}/preview`, { body, token: tokens.sell });
  expect([sold.status, sold.json.type]).toEqual([403, 'urn:perennial:problem:forbidden']);
  const unknown = await send('POST', '/v1/customers/9/top-ups/preview', { body: { amount: '1' } });
  expect(unknown.json.type).toBe('urn:perennial:problem:no_customer');
});
