// Shared schemas of the OpenAPI document. Each object gets a name and stands once, however many
// routes use it: by its `title`, else by the route and the field that it was found in first.

type Json = Record<string, unknown>;

const pascal = (text: string): string =>
  text.replaceAll(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());

const refTo = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

export class Components {
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
    const own = title ?? pascal(name);
    if (anyOf !== undefined) {
      const fits = anyOf.map((one, at) => this.share(one, at === 0 ? own : `${own}${at + 1}`));
      return { ...rest, anyOf: fits };
    }
    if (items !== undefined) return { ...rest, items: this.share(items, `${own}Item`) };
    if (properties === undefined) return title === undefined ? schema : rest;
    const shared = Object.entries(properties).map(([field, inner]) => [
      field,
      this.share(inner, `${own}_${field}`),
    ]);
    return this.add({ ...rest, properties: Object.fromEntries(shared) }, own);
  }

  /** @returns a reference to the schema, which gets this name or one like it */
  add(schema: Json, name: string): Json {
    const text = JSON.stringify(schema);
    const known = this.#names.get(text);
    if (known !== undefined) return refTo(known);
    let free = name;
    for (let n = 2; free in this.schemas; n += 1) free = `${name}${n}`;
    this.schemas[free] = schema;
    this.#names.set(text, free);
    return refTo(free);
  }
}
