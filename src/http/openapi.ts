import { z } from 'zod';
import { programVersion } from '../version.ts';
import { problemTypeOf } from './problem.ts';
import type { Route } from './route.ts';

// The OpenAPI 3.1 document, made of the routes' own schemas: what it says is what is checked.

type Json = Record<string, unknown>;

/** Refusals that every route may give. */
const always: Readonly<Record<string, string>> = {
  400: 'bad_input: a value doesn’t fit; each place is named',
  401: 'unauthorized: no token that counts',
  403: 'forbidden: the token’s scopes don’t allow it',
  429: 'too_many_requests: Retry-After says when to ask again',
  503: 'unavailable: the books can’t be reached just now',
};

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
    'Names this very request. The same key and body: the same answer, and nothing is done twice; another body: 422; while the first is under way: 409. Kept for 30 days.',
  schema: { type: 'string', minLength: 1, maxLength: 200, pattern: '^[\\x21-\\x7e]+$' },
};

function operationOf(route: Route): Json {
  const problem = {
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
  const refusals = route.refusals ?? [];
  const own = refusals.length === 0 ? '' : `\n\nRefusals of its own: ${refusals.join(', ')}.`;
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
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemaOf(route.body, 'input') } },
          },
        }),
    responses: {
      [String(route.status ?? 200)]: {
        description: 'Done',
        content: { 'application/json': { schema: schemaOf(route.answer, 'output') } },
      },
      ...Object.fromEntries(
        Object.entries(always).map(([status, description]) => [
          status,
          { description, ...problem },
        ]),
      ),
      default: { description: 'Refused; nothing was changed', ...problem },
    },
  };
}

export function openApiOf(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route) };
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
      schemas: { Problem: problemSchema },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  };
}
