// Shared schemas of the OpenAPI document. Each object has one name, however many routes use it: its
// `title`, else the route and the field of its first use.

type Json = Record<string, unknown>;

export const toPascalCase = (text: string): string =>
  text.replaceAll(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());

const createReference = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

export class SchemaComponents {
  readonly schemas: Record<string, Json> = {};
  /** The name of each schema, by its text. */
  readonly #names = new Map<string, string>();

  /** @returns the schema with a reference in place of each object */
  share(schema: Json, name: string): Json {
    const { properties, items, anyOf, title, ...rest } = schema as {
      properties?: Record<string, Json>;
      items?: Json;
      anyOf?: readonly Json[];
      title?: string;
    } & Json;
    const schemaName = title ?? toPascalCase(name);
    if (anyOf !== undefined) {
      const variants = anyOf.map((one, at) =>
        this.share(one, at === 0 ? schemaName : `${schemaName}${at + 1}`),
      );
      return { ...rest, anyOf: variants };
    }
    if (items !== undefined) return { ...rest, items: this.share(items, `${schemaName}Item`) };
    if (properties === undefined) return title === undefined ? schema : rest;
    const shared = Object.entries(properties).map(([field, inner]) => [
      field,
      this.share(inner, `${schemaName}_${field}`),
    ]);
    return this.add({ ...rest, properties: Object.fromEntries(shared) }, schemaName);
  }

  /** @returns a reference to the schema, which gets this name or one like it */
  add(schema: Json, name: string): Json {
    const text = JSON.stringify(schema);
    const existing = this.#names.get(text);
    if (existing !== undefined) return createReference(existing);
    let unusedName = name;
    for (let n = 2; unusedName in this.schemas; n += 1) unusedName = `${name}${n}`;
    this.schemas[unusedName] = schema;
    this.#names.set(text, unusedName);
    return createReference(unusedName);
  }
}
