import { expect, test } from 'vitest';
import { createKey, startApi } from '../../support/api.ts';
import { addCustomer, createSubscriber } from '../../support/shop.ts';

// Values at the edge of what the API accepts: sizes, blank texts, spellings, and odd bodies.

const toProblemType = (code: string) => `urn:perennial:problem:${code}`;

test('an unknown subscription URL gets a problem, for a client of any kind', async () => {
  const { send } = await startApi();
  for (const path of ['/sub/unknown', '/sub/unknown/', '/sub/%00', '/sub/unknown?client=x']) {
    const { status, headers, json, text } = await send('GET', path, { token: '' });
    expect(status, path).toBe(404);
    expect(headers.get('content-type'), path).toMatch(/^application\/problem\+json/);
    expect(json, path).toMatchObject({ type: toProblemType('not_found'), status: 404 });
    expect(text, path).not.toContain('unknown');
    expect(headers.get('x-robots-tag'), path).toBe('noindex');
  }
});

test('the routes without a version refuse unknown query parameters, a subscription URL does not', async () => {
  const { send, database, tokens } = await startApi();
  await createSubscriber(database, 7n, 0n);
  for (const path of ['/healthz', '/readyz', '/openapi.json', '/metrics']) {
    const asked = (query: string) => send('GET', `${path}${query}`, { token: tokens.metrics });
    expect((await asked('')).status, path).toBe(200);
    const { status, json } = await asked('?verbose=1');
    expect([status, json.type, json.detail], path).toEqual([
      400,
      toProblemType('unknown_parameter'),
      'query.verbose: there is no such parameter; this route has none',
    ]);
  }
  const { json } = await send('GET', '/v1/customers/7');
  expect((await send('GET', `/sub/${json.sub_token}?client=x`, { token: '' })).status).toBe(200);
});

test('a value beyond the range of its type is refused with 422, at any number of digits', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 500_00n);
  const did = async (path: string, body: object) => {
    const { status, json } = await send('POST', path, { key: createKey(), body });
    return [status, json.type];
  };
  for (const digits of [18, 24, 400]) {
    const amount = '9'.repeat(digits);
    const tooLarge = [422, toProblemType('bad_amount')];
    expect(await did('/v1/customers/7/top-ups', { amount }), `${digits}`).toEqual(tooLarge);
    const adjustment = { amount: `-${amount}`, reason: 'asked' };
    expect(await did('/v1/customers/7/adjustments', adjustment), `${digits}`).toEqual(tooLarge);
  }
  const order = { plan: 'basic', period_days: 30 };
  for (const time of [
    '10000-01-01T00:00:00Z',
    '+010000-01-01T00:00:00Z',
    '9999-12-31T23:59:59-05:00',
    '0000-01-01T00:00:00Z',
  ]) {
    const answer = await did('/v1/customers/7/purchases', { ...order, if_expires_at: time });
    expect(answer, time).toEqual([422, toProblemType('out_of_range')]);
  }
  for (const time of ['tomorrow', '10000-13-01T00:00:00Z', '10000', '']) {
    const answer = await did('/v1/customers/7/purchases', { ...order, if_expires_at: time });
    expect(answer, time).toEqual([400, toProblemType('bad_input')]);
  }
});

test('a blank text is refused, also with invisible characters', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n);
  for (const blank of [' ', '\u00a0', '\u200b', ' \ufeff ', '\u2060']) {
    for (const [path, body] of [
      ['/v1/customers/7/top-ups', { amount: '1', provider: blank, provider_ref: 'r' }],
      ['/v1/customers/7/top-ups', { amount: '1', provider: 'p', provider_ref: blank }],
      ['/v1/customers/7/adjustments', { amount: '1', reason: blank }],
      ['/v1/customers/7/chargebacks', { provider: 'p', provider_ref: 'r', dispute: blank }],
    ] as const) {
      const { status, json } = await send('POST', path, { key: createKey(), body });
      expect([status, json.type], path).toEqual([400, toProblemType('bad_input')]);
    }
  }
});

test('one payment is credited once, also if its names have spaces and invisible characters', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n);
  const credit = async (provider: string, reference: string) => {
    const body = { amount: '1', provider, provider_ref: reference };
    const { status, json } = await send('POST', '/v1/customers/7/top-ups', {
      key: createKey(),
      body,
    });
    return [status, json.type];
  };
  expect((await credit(' Y\u200boo ', '\ufeffr1 '))[0]).toBe(201);
  const known = [409, toProblemType('payment_known')];
  for (const provider of ['Yoo', 'yoo ', 'y\u200doo']) {
    for (const reference of ['r1', ' r1', 'r\u200b1', 'r1\u00a0']) {
      expect(await credit(provider, reference), `${provider}|${reference}`).toEqual(known);
    }
  }
  expect((await credit('yoo', 'R1'))[0]).toBe(201);
  const { json } = await send('GET', '/v1/customers/7/ledger');
  expect(json.items).toMatchObject([
    { provider: 'yoo', provider_ref: 'R1' },
    { provider: 'Yoo', provider_ref: 'r1' },
  ]);
  const reverse = async (dispute: string) => {
    const body = { provider: 'yoo', provider_ref: ' r1\u200b', dispute };
    return send('POST', '/v1/customers/7/chargebacks', { key: createKey(), body });
  };
  expect((await reverse('d1 ')).status).toBe(201);
  const second = { provider: 'yoo', provider_ref: 'R1', dispute: '\u200bd1' };
  const again = await send('POST', '/v1/customers/7/chargebacks', {
    key: createKey(),
    body: second,
  });
  expect([again.status, again.json.type]).toEqual([409, toProblemType('dispute_known')]);
});

test('a purchase whose payment goes to the claim is refused, and the refusal names the claim', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n);
  const post = (path: string, body: object) =>
    send('POST', `/v1/customers/7/${path}`, { key: createKey(), body });
  const order = { plan: 'basic', period_days: 30 };
  const reference = { provider: 'p', provider_ref: 'r1' };
  await post('top-ups', { amount: '100', ...reference });
  await post('adjustments', { amount: '-100', reason: 'spent' });
  await post('chargebacks', { ...reference, dispute: 'd1' });
  const { status, json } = await post('purchases', { ...order, payment: { amount: '149' } });
  expect([status, json.detail]).toEqual([
    402,
    'it costs 149.00 RUB, the balance is 49.00 RUB: 100.00 RUB missing; 100.00 RUB of the payment go to the claim',
  ]);
});

test('a duplicate key of an object is refused, also with an escape and in an inner object', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n);
  const did = async (body: string) => {
    const headers = { 'content-type': 'application/json' };
    const { status, json } = await send('POST', '/v1/customers/7/top-ups', {
      key: createKey(),
      body,
      headers,
    });
    return [status, json.detail];
  };
  const twice = [400, 'body: has the key "amount" twice'];
  expect(await did('{"amount":"1","amount":"2"}')).toEqual(twice);
  expect(await did('{"amount":"1", "\\u0061mount" : "2"}')).toEqual(twice);
  expect(await did('{"currency":{"amount":[{"a":1}],"amount":1}}')).toEqual(twice);
  const { status } = await send('POST', '/v1/customers/7/top-ups', {
    key: createKey(),
    body: '{"amount":"1","provider":"\\"amount\\":{","provider_ref":"amount"}',
  });
  expect(status).toBe(201);
  const inSeveral = '{"a":[{"a":1},{"a":1}],"b":{"a":1}}';
  expect((await did(inSeveral))[1]).not.toMatch(/twice/);
});

test.for([
  ['application/json; charset=utf-16', 415],
  ['application/json; charset="UTF-16LE"', 415],
  ['application/json;charset=iso-8859-1', 415],
  ['application/json; charset=utf-8', 201],
  ['application/json; charset="UTF-8"', 201],
  ['application/json', 201],
] as const)('a body of the type %s gets %i', async ([type, status]) => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n);
  const headers = { 'content-type': type };
  const body = { amount: '1' };
  const answer = await send('POST', '/v1/customers/7/top-ups', { key: createKey(), body, headers });
  expect(answer.status).toBe(status);
  if (status === 415) expect(answer.json.type).toBe(toProblemType('bad_media_type'));
});
