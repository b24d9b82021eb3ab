import { isoTime } from '../kernel/instant.ts';
import {
  type BookLine,
  type ColumnName,
  columnNames,
  columns,
  type Known,
  priceMissing,
} from './columns.ts';
import { type Problem, shortened } from './problems.ts';
import type { BookRecord } from './records.ts';

/** A line as far as it could be read, and all that is wrong with it. */
export interface ReadLine {
  readonly line: number;
  /** A column that couldn't be read is undefined. */
  readonly values: { readonly [N in ColumnName]?: BookLine[N] };
  readonly problems: readonly Problem[];
}

/** Judges one line by itself; what it says together with others, the books are asked. */
export function readLine(record: BookRecord, known: Known): ReadLine {
  const values: Record<string, unknown> = {};
  const problems: Problem[] = [];
  const say = (column: ColumnName, text: string, reason: string) =>
    problems.push({ line: record.line, column, value: shortened(text), reason });
  for (let place = 0; place < columnNames.length; place += 1) {
    const name = columnNames[place] as ColumnName;
    const text = record.texts[place] as string;
    if (values.kind === null) {
      values[name] = null;
      if (text !== '')
        say(name, text, 'must be empty, as kind is: a customer without a subscription');
      continue;
    }
    const read = columns[name].read(text, values, known);
    if (read === undefined) continue;
    if ('wrong' in read) say(name, text, read.wrong);
    else values[name] = read.value;
  }
  const missing = priceMissing(values, known);
  if (missing !== undefined) say(missing.column, String(values[missing.column]), missing.reason);
  return { line: record.line, values, problems };
}

/** What COPY's text format has for a value; nothing that was read needs its escapes. */
function copyText(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return '\\N';
    case 'boolean':
      return value ? 't' : 'f';
    default:
      return value === null ? '\\N' : String(value);
  }
}

/** A row of the staging table (subscription/opening-book.ts), in its columns' order. */
export function stagedRow({ line, values }: ReadLine): string {
  let row = String(line);
  for (const name of columnNames) {
    let value: unknown = values[name];
    if (name === 'expires_at' && values.expires_at != null) value = isoTime(values.expires_at);
    // Empty is a value here, to be compared between lines; NULL is what couldn't be read.
    if (name === 'sub_token' && value === null) value = '';
    row += `\t${copyText(value)}`;
  }
  return `${row}\n`;
}
