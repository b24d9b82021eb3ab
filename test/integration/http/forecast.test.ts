import { expect, test } from 'vitest';
import { startApi } from '../../support/api.ts';
import { createSubscriber } from '../../support/shop.ts';

// The forecast route. The command has the same function, and further tests.

test('the forecast route returns totals, groups or rows', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 149_00n);
  const { status, json } = await send('GET', '/v1/forecast?days=40');
  expect([status, json.days]).toEqual([200, 40]);
  expect(json.totals).toEqual([
    { currency: 'RUB', renewals: 1, amount: '149.00', short: 0, ending: 0 },
  ]);
  expect(json).not.toHaveProperty('rows');
  const byPlan = await send('GET', '/v1/forecast?days=40&by=plan');
  expect(byPlan.json.groups).toEqual([{ plan: 'basic', ...json.totals[0] }]);
  const byCustomer = await send('GET', '/v1/forecast?days=40&by=customer');
  expect(byCustomer.json.rows).toMatchObject([
    { telegram_id: 7, outcome: 'renewed', amount: '149.00', currency: 'RUB' },
  ]);
});

test.each(['days=0', 'days=367', 'days=x', 'by=week', 'unknown=1'])(
  'the forecast route refuses %s',
  async (query) => {
    const { send } = await startApi();
    const { status } = await send('GET', `/v1/forecast?${query}`);
    expect(status).toBe(400);
  },
);
