import { expect, test } from 'vitest';
import { startApi } from '../../support/api.ts';
import { createSubscriber } from '../../support/shop.ts';

// The report and the gauges of the business in the API.

test('the report needs the scope admin, and has the figures of the month', async () => {
  const { send, database, tokens } = await startApi();
  await createSubscriber(database, 7n, 10_00n);
  const refused = await send('GET', '/v1/report', { token: tokens.sell });
  expect([refused.status, refused.json.type]).toEqual([403, 'urn:perennial:problem:forbidden']);
  const { status, json } = await send('GET', '/v1/report?month=2026-11', { token: tokens.admin });
  expect(status).toBe(200);
  expect(json).toMatchObject({
    month: '2026-11',
    complete: false,
    currencies: [{ currency: 'RUB', collected: { amount: '159.00' }, mrr: { end: '149.00' } }],
  });
  const last = await send('GET', '/v1/report', { token: tokens.admin });
  expect(last.json).toMatchObject({ month: '2026-10', complete: true });
});

test('the ledger of a month is a CSV file, and needs the scope admin', async () => {
  const { send, database, tokens } = await startApi();
  await createSubscriber(database, 7n, 10_00n);
  const path = '/v1/report/ledger?month=2026-11';
  expect((await send('GET', path, { token: tokens.sell })).status).toBe(403);
  const { status, headers, text } = await send('GET', path);
  expect([status, headers.get('content-type'), headers.get('content-disposition')]).toEqual([
    200,
    'text/csv; charset=utf-8',
    'attachment; filename="ledger-2026-11.csv"',
  ]);
  expect(text.split('\n').map((line) => line.split(',').slice(2, 6).join())).toEqual([
    'telegram_id,kind,currency,amount',
    '7,top_up,RUB,159.00',
    '7,purchase,RUB,-149.00',
    '',
  ]);
  const future = await send('GET', '/v1/report/periods?month=2027-01');
  expect([future.status, future.json.type]).toEqual([422, 'urn:perennial:problem:future_month']);
});

test.each([
  ['2026-13', 400, 'bad_input'],
  ['2026-12', 422, 'future_month'],
])('month %s is refused with %i', async (month, status, type) => {
  const { send } = await startApi();
  const refused = await send('GET', `/v1/report?month=${month}`);
  expect([refused.status, refused.json.type]).toEqual([status, `urn:perennial:problem:${type}`]);
});

test('the metrics have money of the last 24 hours, MRR, and renewals that are late or short', async () => {
  const { send, database, tokens } = await startApi();
  const readGauges = async () => {
    const { text } = await send('GET', '/metrics', { token: tokens.metrics });
    const lines = [...text.matchAll(/^perennial_(\w+)(?:\{currency="RUB"\})? (\S+)$/gm)];
    return Object.fromEntries(lines.map(([, name = '', value]) => [name, Number(value)]));
  };
  await createSubscriber(database, 7n, 10_50n);
  expect(await readGauges()).toMatchObject({
    collected_amount: 159.5,
    charged_amount: 149,
    mrr_amount: 149,
    renewals_late: 0,
    renewals_short: 0,
  });
  // Within the age of the values no scrape reads them again.
  await createSubscriber(database, 8n, 0n);
  expect(await readGauges()).toMatchObject({ collected_amount: 159.5, mrr_amount: 149 });
});
