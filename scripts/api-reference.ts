import { readFileSync, writeFileSync } from 'node:fs';
import { createOpenApiDocument } from '../src/http/openapi.ts';
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
  readonly responses: Record<string, { content?: Record<string, { schema: Json }> }>;
}

const document = createOpenApiDocument(routes) as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Json> };
};

/** The schema behind a reference to a component. */
function resolveSchema(schema: Json): Json {
  const { $ref } = schema as { $ref?: string };
  if ($ref === undefined) return schema;
  return document.components.schemas[$ref.replace('#/components/schemas/', '')] ?? {};
}

/** A schema in words: `text`, `"on" \| "off"`, `[{id, plan}]`. */
function formatType(reference: Json): string {
  const schema = resolveSchema(reference);
  const {
    type,
    enum: choices,
    anyOf: alternatives,
    const: constant,
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
  if (constant !== undefined) return JSON.stringify(constant);
  if (choices !== undefined) return choices.map((choice) => JSON.stringify(choice)).join(' \\| ');
  if (alternatives !== undefined) return alternatives.map(formatType).join(' \\| ');
  switch (type) {
    case 'array':
      return `[${formatType(items ?? {})}]`;
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

const formatRow = (name: string, location: string, schema: Json, required: boolean): string =>
  `| \`${name}\` | ${location} | ${formatType(schema)} | ${required ? 'yes' : ''} | ${schema.description ?? resolveSchema(schema).description ?? ''} |`;

function formatBodyRows(schema: Json, location: string): string[] {
  const { properties = {}, required = [] } = resolveSchema(schema) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, inner]) =>
    formatRow(name, location, inner, required.includes(name)),
  );
}

function formatSection(method: string, path: string, operation: Operation): string {
  const [status = '200', success] = Object.entries(operation.responses)[0] ?? [];
  const fieldRows = [
    ...operation.parameters.map((parameter) =>
      formatRow(
        parameter.name,
        parameter.in,
        { ...(parameter.schema as Json), description: parameter.description },
        parameter.required,
      ),
    ),
    ...formatBodyRows(operation.requestBody?.content['application/json'].schema ?? {}, 'body'),
  ];
  const [answered = {}] = Object.values(success?.content ?? {});
  const responseType = formatType((answered as { schema?: Json }).schema ?? {});
  const table =
    fieldRows.length === 0
      ? []
      : ['', '| field | in | type | required | meaning |', '|---|---|---|---|---|', ...fieldRows];
  return [
    `#### ${method.toUpperCase()} ${path}`,
    '',
    `${operation.summary}. ${operation.description.replaceAll('\n\n', ' ')}`,
    ...table,
    '',
    `Answers ${status}: \`${responseType}\``,
    '',
  ].join('\n');
}

/** The reference as Markdown. */
function formatReference(): string {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const tags = [...new Set(all.map(({ operation }) => operation.tags[0] as string))];
  return tags
    .map((tag) => {
      const own = all.filter(({ operation }) => operation.tags[0] === tag);
      const sections = own.map(({ path, method, operation }) =>
        formatSection(method, path, operation),
      );
      return `### ${tag}\n\n${sections.join('\n')}`;
    })
    .join('\n')
    .trimEnd();
}

const mark = '<!-- made by: npm run docs:api -->';

/** docs/api.md with the reference as it is now. */
export function replaceReference(text: string): string {
  const [head = ''] = text.split(mark);
  return `${head}${mark}\n\n${formatReference()}\n`;
}

if (import.meta.main) {
  const path = 'docs/api.md';
  writeFileSync(path, replaceReference(readFileSync(path, 'utf8')));
}
