import { z } from 'zod';
import { programVersion } from '../version.ts';
import { Components } from './components.ts';
import { problemTypeOf, statusOf } from './problem.ts';
import type { Route } from './route.ts';

// The OpenAPI 3.1 document, made of the routes' own schemas: what it says is what is checked.

type Json = Record<string, unknown>;

/** Codes of refusals that every route can give. */
const always = [
  'bad_input',
  'bad_request',
  'unknown_parameter',
  'unauthorized',
  'forbidden',
  'bad_method',
  'request_timeout',
  'uri_too_long',
  'bad_expectation',
  'too_many_requests',
  'headers_too_long',
  'internal',
  'unavailable',
  'too_slow',
];
const withBody = ['too_large', 'bad_media_type', 'out_of_range', 'commits_lost'];
const withKey = ['key_missing', 'bad_key', 'key_reused', 'in_flight', 'clock_suspect'];

/** Codes of each refusal of a route. */
export const refusalsOf = ({ method, keyed, refusals = [] }: Route): string[] => [
  ...always,
  ...(method === 'GET' ? [] : withBody),
  ...(keyed === true ? withKey : []),
  ...refusals,
];

const problemSchema: Json = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', description: `${problemTypeOf('…')}, stable` },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'one sentence for a person' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['place', 'detail'],
        properties: { place: { type: 'string' }, detail: { type: 'string' } },
      },
    },
  },
};

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...made } = z.toJSONSchema(schema, {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
  }) as Json;
  return made;
}

function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...inner }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: inner,
  }));
}

const keyParameter: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  required: true,
  description:
    'Names this request. The same key and body give the same answer, and one change. Another body gives 422. While the first request is in progress, 409. Kept for 30 days.',
  schema: { type: 'string', minLength: 1, maxLength: 200, pattern: '^[\\x21-\\x7e]+$' },
};

/** One schema for each problem type, with its status. */
function problemOf(code: string, components: Components): Json {
  const type = { const: problemTypeOf(code) };
  const own = { type: 'object', properties: { type, status: { const: statusOf(code) } } };
  const problem = { $ref: '#/components/schemas/Problem' };
  return components.add({ allOf: [problem, own] }, pascal(`Problem_${code}`));
}

const pascal = (text: string): string =>
  text.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());

function problemsOf(route: Route, components: Components): Record<string, Json> {
  const byStatus = new Map<number, string[]>();
  for (const code of new Set(refusalsOf(route))) {
    byStatus.set(statusOf(code), [...(byStatus.get(statusOf(code)) ?? []), code]);
  }
  const answers = [...byStatus].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    answers.map(([status, codes]) => {
      const schemas = codes.map((code) => problemOf(code, components));
      const schema = schemas.length === 1 ? schemas[0] : { oneOf: schemas };
      const description = codes.join(', ');
      return [status, { description, content: { 'application/problem+json': { schema } } }];
    }),
  );
}

function operationOf(route: Route, components: Components): Json {
  const refusals = route.refusals ?? [];
  const own = refusals.length === 0 ? '' : `\n\nProblems: ${refusals.join(', ')}.`;
  const shared = (schema: z.ZodType, io: 'input' | 'output', name: string) => ({
    'application/json': { schema: components.share(schemaOf(schema, io), `${route.id}_${name}`) },
  });
  return {
    operationId: route.id,
    tags: [route.tag],
    summary: route.summary,
    description: `Needs the scope \`${route.scope}\`.${own}`,
    security: [{ token: [] }],
    parameters: [
      ...parametersOf(route.params, 'path'),
      ...parametersOf(route.query, 'query'),
      ...(route.keyed === true ? [keyParameter] : []),
    ],
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: shared(route.body, 'input', 'request') } }),
    responses: {
      [String(route.status ?? 200)]: {
        description: 'Done',
        content: shared(route.answer, 'output', 'answer'),
      },
      ...problemsOf(route, components),
    },
  };
}

export function openApiOf(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  const components = new Components();
  components.add(problemSchema, 'Problem');
  for (const route of routes) {
    const operation = operationOf(route, components);
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Perennial',
      version: programVersion,
      description:
        'Subscriptions, balances and access, for an operator’s bot. Money is text in major units beside its currency; times are ISO 8601 in UTC; lists are pages by cursor.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  };
}
