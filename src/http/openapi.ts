import { z } from 'zod';
import { programVersion } from '../version.ts';
import { SchemaComponents, toPascalCase } from './components.ts';
import { toProblemType, toStatus } from './problem.ts';
import type { Route } from './route.ts';
import { type OpenOperation, openOperations } from './unversioned-operations.ts';

// The OpenAPI 3.1 document, generated from the schemas of the routes, which check requests.

type Json = Record<string, unknown>;

/** Codes of refusals that every route can give. */
const commonCodes = [
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
const bodyCodes = ['too_large', 'bad_media_type', 'out_of_range', 'commits_lost'];
const keyCodes = ['key_missing', 'bad_key', 'key_reused', 'in_flight', 'clock_suspect'];

/** Codes of each refusal of a route. */
export const toProblemCodes = ({ method, keyed, refusals = [] }: Route): string[] => [
  ...commonCodes,
  ...(method === 'GET' ? [] : bodyCodes),
  ...(keyed === true ? keyCodes : []),
  ...refusals,
];

const problemSchema: Json = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', description: `${toProblemType('…')}, stable` },
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

function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...jsonSchema } = z.toJSONSchema(schema, {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
  }) as Json;
  return jsonSchema;
}

function toParameters(schema: z.ZodType | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = toJsonSchema(schema, 'input') as {
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
function toProblemSchema(code: string, components: SchemaComponents): Json {
  const type = { const: toProblemType(code) };
  const codeSchema = { type: 'object', properties: { type, status: { const: toStatus(code) } } };
  const problem = { $ref: '#/components/schemas/Problem' };
  return components.add({ allOf: [problem, codeSchema] }, toPascalCase(`Problem_${code}`));
}

function toProblemResponses(
  refusals: readonly string[],
  components: SchemaComponents,
): Record<string, Json> {
  const byStatus = new Map<number, string[]>();
  for (const code of new Set(refusals)) {
    byStatus.set(toStatus(code), [...(byStatus.get(toStatus(code)) ?? []), code]);
  }
  const statusCodes = [...byStatus].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    statusCodes.map(([status, codes]) => {
      const schemas = codes.map((code) => toProblemSchema(code, components));
      const schema = schemas.length === 1 ? schemas[0] : { oneOf: schemas };
      const description = codes.join(', ');
      return [status, { description, content: { 'application/problem+json': { schema } } }];
    }),
  );
}

const csvContent: Json = { 'text/csv': { schema: { type: 'string' } } };

function toOperation(route: Route, components: SchemaComponents): Json {
  const refusals = route.refusals ?? [];
  const problemsText = refusals.length === 0 ? '' : `\n\nProblems: ${refusals.join(', ')}.`;
  const toContent = (schema: z.ZodType, io: 'input' | 'output', name: string) => ({
    'application/json': {
      schema: components.share(toJsonSchema(schema, io), `${route.id}_${name}`),
    },
  });
  return {
    operationId: route.id,
    tags: [route.tag],
    summary: route.summary,
    description: `Needs the scope \`${route.scope}\`.${problemsText}`,
    security: [{ token: [] }],
    parameters: [
      ...toParameters(route.params, 'path'),
      ...toParameters(route.query, 'query'),
      ...(route.keyed === true ? [keyParameter] : []),
    ],
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: !route.body.safeParse({}).success,
            content: toContent(route.body, 'input', 'request'),
          },
        }),
    responses: {
      [String(route.status ?? 200)]: {
        description: 'Done',
        content: {
          ...(route.isCsvFile !== true && toContent(route.answer, 'output', 'answer')),
          ...((route.isCsvFile ?? route.csvColumns) && csvContent),
        },
      },
      ...toProblemResponses(toProblemCodes(route), components),
    },
  };
}

function openOperationOf(operation: OpenOperation, components: SchemaComponents): Json {
  const { id, tag, summary, description, headers, mediaType, schema } = operation;
  return {
    operationId: id,
    tags: [tag],
    summary,
    description,
    security: operation.needsToken ? [{ token: [] }] : [],
    parameters: operation.parameters,
    responses: {
      200: {
        description: 'Done',
        ...(headers === undefined ? {} : { headers }),
        content: { [mediaType]: { schema: components.share(schema, id) } },
      },
      ...toProblemResponses(operation.refusals, components),
    },
  };
}

export function createOpenApiDocument(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  const components = new SchemaComponents();
  components.add(problemSchema, 'Problem');
  for (const route of routes) {
    const operation = toOperation(route, components);
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation };
  }
  for (const operation of openOperations) {
    paths[operation.path] = { get: openOperationOf(operation, components) };
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
