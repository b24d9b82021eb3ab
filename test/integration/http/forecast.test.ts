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

test('the rows of one day and outcome are listed up to a limit, and counted', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 149_00n);
  await createSubscriber(database, 8n, 0n);
  const { json } = await send('GET', '/v1/forecast?days=40&by=day');
  const [{ day }] = json.groups;
  const rowsOf = async (query: string) => {
    const answer = await send('GET', `/v1/forecast?days=40&by=customer&day=${query}`);
    return [
      answer.json.rows.map((row: { telegram_id: number }) => row.telegram_id),
      answer.json.rows_total,
    ];
  };
  expect(await rowsOf(day)).toEqual([[7, 8], 2]);
  expect(await rowsOf(`${day}&limit=1`)).toEqual([[7], 2]);
  expect(await rowsOf(`${day}&outcome=short`)).toEqual([[8], 1]);
  expect(await rowsOf('2026-11-25')).toEqual([[], 0]);
});

test('the forecast with other prices counts their effect, and refuses an unknown plan', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 149_00n);
  const { json } = await send('GET', '/v1/forecast?days=40&prices=basic/30/RUB%3D99.00');
  expect(json.totals).toMatchObject([{ renewals: 1, amount: '99.00', short: 0 }]);
  const refused = await send('GET', '/v1/forecast?prices=none/30/RUB%3D99.00');
  expect([refused.status, refused.json.type]).toEqual([422, 'urn:perennial:problem:no_plan']);
});

const wrongQueries = [
  ...['days=0', 'days=367', 'days=x', 'by=week', 'unknown=1', 'limit=0', 'day=2026-02-30'],
  ...['prices=basic', 'prices=basic/30/RUB=-1', 'prices=basic/30/RUB=1.234'],
];
test.each(wrongQueries)('the forecast route refuses %s', async (query) => {
  const { send } = await startApi();
  const { status } = await send('GET', `/v1/forecast?${query}`);
  expect(status).toBe(400);
});
