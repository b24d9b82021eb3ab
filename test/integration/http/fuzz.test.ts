import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { toProblemCodes } from '../../../src/http/openapi.ts';
import { toStatus } from '../../../src/http/problem.ts';
import type { Route } from '../../../src/http/route.ts';
import { routes } from '../../../src/http/routes/index.ts';
import { type ApiResponse, createKey, readFingerprint, startApi } from '../../support/api.ts';
import { createSubscriber } from '../../support/shop.ts';

// Random requests to the API, most of them nearly valid, compared with its OpenAPI document. Each
// answer has the schema of the document, and none is an internal fault. A refused request changes
// nothing in the database.

type Json = Readonly<Record<string, unknown>>;

/** Values that fit a JSON schema, or nearly fit it. */
function createValues(schema: Json): fc.Arbitrary<unknown> {
  const {
    type,
    enum: choices,
    anyOf: some,
    const: only,
    properties,
  } = schema as {
    type?: string;
    enum?: unknown[];
    anyOf?: Json[];
    const?: unknown;
    properties?: Record<string, Json>;
  };
  if (only !== undefined) return fc.constant(only);
  if (choices !== undefined) return fc.constantFrom(...choices);
  if (some !== undefined) return fc.oneof(...some.map(createValues));
  switch (type) {
    case 'integer':
      return fc.oneof(fc.integer({ min: 1, max: 90 }), fc.integer(), fc.maxSafeInteger());
    case 'boolean':
      return fc.boolean();
    case 'object': {
      const { required = [] } = schema as { required?: string[] };
      const fields = Object.fromEntries(
        Object.entries(properties ?? {}).map(([name, inner]) => [
          name,
          createNearlyRight(name, inner),
        ]),
      );
      return fc.record(fields, { requiredKeys: required });
    }
    default:
      return fc.oneof(fc.string(), fc.string({ unit: 'binary' }));
  }
}

/** Mostly sensible values of this field, sometimes values of its type, rarely any value. */
function createNearlyRight(name: string, schema: Json): fc.Arbitrary<unknown> {
  const known = sensibleValues[name];
  const right = createValues(schema);
  const any = fc.oneof(fc.jsonValue(), fc.constant('\0'), fc.constant('\ud800'));
  return known === undefined
    ? fc.oneof({ weight: 9, arbitrary: right }, { weight: 1, arbitrary: any })
    : fc.oneof(
        { weight: 14, arbitrary: known },
        { weight: 4, arbitrary: right },
        { weight: 2, arbitrary: any },
      );
}

const sensibleValues: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  plan: fc.constantFrom('basic', 'plus', 'mini', 'none'),
  period_days: fc.constantFrom(30, 90, 7),
  amount: fc.constantFrom('1', '149.00', '-3', '0', '1.234', '99999999999999'),
  price: fc.constantFrom('149.00', '10', '1'),
  reason: fc.constantFrom('because', 'x'),
  period_id: fc.integer({ min: 1, max: 8 }),
  subscription_id: fc.integer({ min: 1, max: 4 }),
  telegram_id: fc.constantFrom(7, 8, 9, 10),
  days: fc.integer({ min: 1, max: 5 }),
  locale: fc.constantFrom('en', 'ru', 'pt-BR', '??'),
  time_zone: fc.constantFrom('Europe/Moscow', 'UTC', 'Mars'),
};

const pathValues: Readonly<Record<string, fc.Arbitrary<string>>> = {
  telegram_id: fc.constantFrom('7', '8', '9', '0', '9007199254740993', 'x'),
  id: fc.constantFrom('1', '2', '3', '99', '-1'),
  subscription_id: fc.constantFrom('1', '2', '99'),
  plan: fc.constantFrom('basic', 'plus', 'no%20plan'),
  period_days: fc.constantFrom('30', '90', '0'),
  name: fc.constantFrom('auto-renewal', 'nobody'),
  worker: fc.constantFrom('auto-renewal', 'a%2Fb'),
  item: fc.constantFrom('1', '%00', 'nl-1%2F5'),
};

interface FuzzRequest {
  readonly route: Route;
  readonly path: string;
  readonly body: unknown;
  readonly key: string | undefined;
}

const jsonSchema = (schema: z.ZodType): Json =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json;

function createRequests(route: Route): fc.Arbitrary<FuzzRequest> {
  const places = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
  const queries = Object.keys(
    (route.query === undefined ? {} : (jsonSchema(route.query).properties ?? {})) as object,
  );
  const texts = (names: readonly string[]) =>
    fc.record(
      Object.fromEntries(
        names.map((name) => [name, pathValues[name] ?? fc.constantFrom('1', 'true', 'x', '%00')]),
      ),
    );
  return fc
    .record({
      at: texts(places),
      query: fc.oneof(texts(queries), texts([])),
      body:
        route.body === undefined
          ? fc.constant(undefined)
          : fc.oneof(
              { weight: 9, arbitrary: createValues(jsonSchema(route.body)) },
              { weight: 1, arbitrary: fc.jsonValue() },
            ),
      keyed: fc.boolean(),
    })
    .map(({ at, query, body, keyed }) => {
      const filled = route.path.replaceAll(/\{(\w+)\}/g, (_, name) => String(at[name]));
      const asked = Object.entries(query).map(([name, value]) => `${name}=${value}`);
      const path = asked.length === 0 ? filled : `${filled}?${asked.join('&')}`;
      return { route, path, body, key: keyed || route.keyed === true ? createKey() : undefined };
    });
}

// Without the audit, which reads the whole database each time. Another test covers it.
const fuzzedRoutes = routes.filter(({ id }) => id !== 'audit');
const fuzzRequests = fc.constantFrom(...fuzzedRoutes).chain(createRequests);

const problemSchema = z.strictObject({
  type: z.string().regex(/^urn:perennial:problem:[a-z_]+$/),
  title: z.string(),
  status: z.number(),
  detail: z.string().min(1),
  errors: z.array(z.strictObject({ place: z.string(), detail: z.string() })).optional(),
});

function checkResponse({ route }: FuzzRequest, answer: ApiResponse): void {
  expect(answer.status, answer.text).toBeLessThan(500);
  if (answer.status < 300) {
    expect(answer.status).toBe(route.status ?? 200);
    const read = route.answer.safeParse(answer.json);
    expect(read.error?.issues, answer.text).toBeUndefined();
    // The answer has no field that the document lacks.
    expect(read.data).toEqual(answer.json);
    return;
  }
  const parsed = problemSchema.parse(answer.json);
  expect(parsed.status).toBe(answer.status);
  const own = parsed.type.replace('urn:perennial:problem:', '');
  expect(toProblemCodes(route), answer.text).toContain(own);
  expect(toStatus(own), answer.text).toBe(answer.status);
}

test('each answer to a random request matches the document, and a refusal changes nothing', async () => {
  const { send, database } = await startApi();
  await createSubscriber(database, 7n, 1_000_00n);
  await createSubscriber(database, 8n, 0n);
  let done = 0;
  await fc.assert(
    fc.asyncProperty(fuzzRequests, async (request) => {
      const before = await readFingerprint(database);
      const { path, body, key, route } = request;
      const answer = await send(route.method, path, {
        ...(key === undefined ? {} : { key }),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      checkResponse(request, answer);
      if (answer.status < 300) done += 1;
      else expect(await readFingerprint(database)).toBe(before);
    }),
    { numRuns: 400 },
  );
  // Enough requests succeeded for a meaningful test.
  expect(done).toBeGreaterThan(40);
}, 120_000);
