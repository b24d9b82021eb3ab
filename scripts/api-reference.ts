import { readFileSync, writeFileSync } from 'node:fs';
import { openApiOf } from '../src/http/openapi.ts';
import { routes } from '../src/http/routes/index.ts';

// Writes the reference at the end of docs/api.md (`npm run docs:api`). Its source is the OpenAPI
// document, so the schemas that check the requests.

type Json = Record<string, unknown>;

interface Operation {
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly parameters: readonly (Json & { name: string; in: string; required: boolean })[];
  readonly requestBody?: { content: { 'application/json': { schema: Json } } };
  readonly responses: Record<string, { content?: { 'application/json'?: { schema: Json } } }>;
}

const document = openApiOf(routes) as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json> };
};

/** The schema behind a reference to a component. */
function resolved(schema: Json): Json {
  const { $ref } = schema as { $ref?: string };
  if ($ref === undefined) return schema;
  return document.components.schemas[$ref.replace('#/components/schemas/', '')] ?? {};
}

/** A schema in words: `text`, `"on" \| "off"`, `[{id, plan}]`. */
function typeOf(given: Json): string {
  const schema = resolved(given);
  const {
    type,
    enum: choices,
    anyOf: some,
    const: only,
    items,
    properties,
  } = schema as {
    type?: string;
    enum?: readonly unknown[];
    anyOf?: readonly Json[];
    const?: unknown;
    items?: Json;
    properties?: Record<string, Json>;
  };
  if (only !== undefined) return JSON.stringify(only);
  if (choices !== undefined) return choices.map((choice) => JSON.stringify(choice)).join(' \\| ');
  if (some !== undefined) return some.map(typeOf).join(' \\| ');
  switch (type) {
    case 'array':
      return `[${typeOf(items ?? {})}]`;
    case 'object':
      return properties === undefined ? 'object' : `{${Object.keys(properties).join(', ')}}`;
    case 'string':
      return 'text';
    case 'integer':
      return 'number';
    default:
      return type ?? 'any';
  }
}

const row = (name: string, where: string, schema: Json, required: boolean): string =>
  `| \`${name}\` | ${where} | ${typeOf(schema)} | ${required ? 'yes' : ''} | ${schema.description ?? resolved(schema).description ?? ''} |`;

function bodyRows(schema: Json, where: string): string[] {
  const { properties = {}, required = [] } = resolved(schema) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, inner]) =>
    row(name, where, inner, required.includes(name)),
  );
}

function section(method: string, path: string, operation: Operation): string {
  const [status = '200', done] = Object.entries(operation.responses)[0] ?? [];
  const taken = [
    ...operation.parameters.map((parameter) =>
      row(
        parameter.name,
        parameter.in,
        { ...(parameter.schema as Json), description: parameter.description },
        parameter.required,
      ),
    ),
    ...bodyRows(operation.requestBody?.content['application/json'].schema ?? {}, 'body'),
  ];
  const answer = typeOf(done?.content?.['application/json']?.schema ?? {});
  const table =
    taken.length === 0
      ? []
      : ['', '| field | in | type | required | meaning |', '|---|---|---|---|---|', ...taken];
  return [
    `#### ${method.toUpperCase()} ${path}`,
    '',
    `${operation.summary}. ${operation.description.replaceAll('\n\n', ' ')}`,
    ...table,
    '',
    `Answers ${status}: \`${answer}\``,
    '',
  ].join('\n');
}

/** The reference as Markdown. */
export function reference(): string {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const tags = [...new Set(all.map(({ operation }) => operation.tags[0] as string))];
  return tags
    .map((tag) => {
      const own = all.filter(({ operation }) => operation.tags[0] === tag);
      const sections = own.map(({ path, method, operation }) => section(method, path, operation));
      return `### ${tag}\n\n${sections.join('\n')}`;
    })
    .join('\n')
    .trimEnd();
}

const mark = '<!-- made by: npm run docs:api -->';

/** docs/api.md with the reference as it is now. */
export function withReference(text: string): string {
  const [head = ''] = text.split(mark);
  return `${head}${mark}\n\n${reference()}\n`;
}

if (import.meta.main) {
  const path = 'docs/api.md';
  writeFileSync(path, withReference(readFileSync(path, 'utf8')));
}
