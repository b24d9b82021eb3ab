import { type RawBuilder, sql } from 'kysely';
import { type Instant, isoTime } from '../kernel/instant.ts';

type Value = bigint | number | string | boolean | null;
type PlainType = 'bigint' | 'int' | 'boolean' | 'uuid';

/** A column of an `unnest`: its SQL type and its value of a row. */
export type Column<Row> =
  | readonly [PlainType | 'text' | 'jsonb', (row: Row) => Value]
  | readonly ['timestamptz', (row: Row) => Instant | null];

const special = /[\\"]/;

function quoteText(text: string): string {
  return special.test(text) ? `"${text.replaceAll(/[\\"]/g, '\\$&')}"` : `"${text}"`;
}

function formatArray<Row>(rows: readonly Row[], [type, pick]: Column<Row>): string {
  const render = (row: Row): string => {
    const value = pick(row);
    if (value === null) return 'NULL';
    if (type === 'timestamptz') return isoTime(value as Instant);
    // JSON has no raw control characters, so the native quoting of JSON strings also quotes array
    // elements.
    if (type === 'jsonb') return JSON.stringify(value);
    return type === 'text' ? quoteText(String(value)) : String(value);
  };
  return `{${rows.map(render).join(',')}}`;
}

/**
 * Rows of the program as a table of a statement: `unnest($1::bigint[], …) AS alias(id, …)`. There
 * is one parameter per column for any number of rows. The arrays are rendered here, because the
 * driver quotes every element. That took as long as the decisions of a batch.
 */
export function unnest<Row>(
  alias: string,
  rows: readonly Row[],
  columns: Readonly<Record<string, Column<Row>>>,
): RawBuilder<unknown> {
  const arrays = Object.values(columns).map(
    (column) => sql`${formatArray(rows, column)}::${sql.raw(column[0])}[]`,
  );
  const names = Object.keys(columns).map((name) => sql.ref(name));
  return sql`unnest(${sql.join(arrays)}) AS ${sql.ref(alias)}(${sql.join(names)})`;
}

/** `ANY` of many ids as one parameter. */
export function anyOf(type: PlainType | 'text', values: readonly Value[]): RawBuilder<unknown> {
  const literal = formatArray(values, [type, (value: Value) => value]);
  return sql`ANY(${literal}::${sql.raw(type)}[])`;
}
