import { expect, test } from 'vitest';
import { routes } from '../../../src/http/routes/index.ts';
import { createKey, startApi } from '../../support/api.ts';
import { addCustomer, createSubscriber } from '../../support/shop.ts';
import { sendRaw } from './raw-request.ts';

// Malformed requests of scanners and attackers: each gets a problem, and no part of it is ignored.

const joinLines = (...all: readonly string[]) => `${all.join('\r\n')}\r\n\r\n`;
const end = 'connection: close';

test('a request without Host gets a problem, and CONNECT gets 405 with Allow', async () => {
  const api = await startApi();
  const hostless = await sendRaw(api, joinLines('GET /v1/plans HTTP/1.1', end));
  expect(hostless.head).toMatch(/^HTTP\/1.1 400 /);
  expect(JSON.parse(hostless.body)).toMatchObject({
    type: 'urn:perennial:problem:bad_request',
    detail: 'the header Host is missing',
  });
  const proxied = await sendRaw(api, joinLines('CONNECT x:1 HTTP/1.1', 'host: x'));
  expect(proxied.head).toMatch(/^HTTP\/1.1 405 /);
  expect(JSON.parse(proxied.body).type).toBe('urn:perennial:problem:bad_method');
  expect(proxied.head).toMatch(/^allow: GET, HEAD, PATCH, POST$/im);
});

test('an unknown path or method is answered before its body is read', async () => {
  const api = await startApi();
  const cases = [
    [joinLines('QUERY /v1/plans HTTP/1.1', 'host: x', end), 405],
    [
      joinLines(
        'PUT /v1/plans HTTP/1.1',
        'host: x',
        'content-type: text/xml',
        'content-length: 1',
        end,
      ),
      405,
    ],
    [
      joinLines('POST /no HTTP/1.1', 'host: x', 'content-type: text/xml', 'content-length: 1', end),
      404,
    ],
    [joinLines('POST /no HTTP/1.1', 'host: x', 'content-length: 99999999', end), 404],
  ] as const;
  for (const [text, status] of cases) {
    const { head, body } = await sendRaw(api, text.includes('content-length') ? `${text}x` : text);
    expect(head, text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(body).status, text).toBe(status);
    if (status === 405) expect(head, text).toMatch(/^allow: GET, HEAD$/im);
  }
});

test('a body in broken UTF-8 is refused: replaced bytes would make two references equal', async () => {
  const api = await startApi();
  await addCustomer(api.database, 7n);
  const top = async (reference: Buffer) => {
    const body = Buffer.concat([
      Buffer.from('{"amount":"1","provider":"p","provider_ref":"'),
      reference,
      Buffer.from('"}'),
    ]);
    return sendRaw(
      api,
      joinLines(
        'POST /v1/customers/7/top-ups HTTP/1.1',
        ...['host: x', end, `authorization: Bearer ${api.tokens.sell}`],
        ...['content-type: application/json', `content-length: ${body.length}`],
        `idempotency-key: ${createKey()}`,
      ),
      body,
    );
  };
  const broken = await top(Buffer.from([0xff]));
  expect(broken.head).toMatch(/^HTTP\/1.1 400 /);
  expect(JSON.parse(broken.body).detail).toBe('body: is not JSON in UTF-8');
  expect((await top(Buffer.from('é'))).head).toMatch(/^HTTP\/1.1 201 /);
});

test('fields for a route that takes no body are refused, an empty object is accepted', async () => {
  const { send, database } = await startApi();
  await addCustomer(database, 7n);
  const asked = (body: unknown) =>
    send('POST', '/v1/customers/7/trial', { key: createKey(), body });
  const ignored = await asked({ plan: 'plus' });
  expect([ignored.status, ignored.json.detail]).toEqual([400, 'body: there is no field "plan"']);
  expect((await asked({})).status).toBe(201);
});

test('a control character is refused in each text of a body or a path', async () => {
  const { send, database } = await startApi();
  const id = await createSubscriber(database, 7n, 500_00n);
  const hostile = 'a\u001b]0;x\u0007';
  const order = { plan: 'basic', period_days: 30 };
  const bodies: readonly [path: string, body: object][] = [
    ['/v1/customers/7/top-ups', { amount: '1', provider: hostile, provider_ref: 'a' }],
    ['/v1/customers/7/top-ups', { amount: '1', provider: 'p', provider_ref: 'a\nb' }],
    ['/v1/customers/7/purchases', { ...order, payment: { amount: '1', provider: hostile } }],
    ['/v1/customers/7/adjustments', { amount: '1', reason: hostile }],
    [`/v1/subscriptions/${id}/revoke`, { reason: '\u009b2J' }],
    ['/v1/customers/7/chargebacks', { provider: 'p', provider_ref: 'r', dispute: hostile }],
    [`/v1/workers/${encodeURIComponent(hostile)}/runs`, {}],
  ];
  for (const [path, body] of bodies) {
    const { status, json } = await send('POST', path, { key: createKey(), body });
    expect([status, json.type], path).toEqual([400, 'urn:perennial:problem:bad_input']);
  }
});

test('the OpenAPI document states the conditions that join fields of a body', async () => {
  const { send } = await startApi();
  const { json } = await send('GET', '/openapi.json', { token: '' });
  const bodyOf = (id: string) => {
    const route = routes.find((one) => one.id === id);
    const { $ref } =
      json.paths[route?.path ?? ''][route?.method.toLowerCase() ?? ''].requestBody.content[
        'application/json'
      ].schema;
    return json.components.schemas[$ref.split('/').at(-1)];
  };
  expect(bodyOf('changeCustomer')).toMatchObject({ minProperties: 1 });
  expect(bodyOf('changeDiscount')).toMatchObject({ minProperties: 1 });
  expect(bodyOf('changeSubscription')).toMatchObject({
    oneOf: [{ required: ['auto_renew'] }, { required: ['next'] }],
    dependentRequired: { price: ['next'] },
  });
  const { parameters } = json.paths['/v1/quote'].get;
  const days = parameters.find(({ name }: { name: string }) => name === 'period_days');
  const pattern = new RegExp(days.schema.pattern);
  for (const right of ['1', '30', '999', '3659', '3660']) expect(right).toMatch(pattern);
  for (const wrong of ['0', '3661', '4000', '03', '']) expect(wrong).not.toMatch(pattern);
});
