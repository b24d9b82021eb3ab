import { isoTime } from '../kernel/instant.ts';
import {
  type ColumnName,
  checkPrice,
  columnNames,
  columns,
  type FileLine,
  type LineContext,
} from './columns.ts';
import { type LineProblem, shortenValue } from './problems.ts';
import type { FileRecord } from './records.ts';

/** A line as far as it was parsed, with all its faults. */
export interface ParsedLine {
  readonly line: number;
  /** A column that could not be parsed is undefined. */
  readonly values: { readonly [N in ColumnName]?: FileLine[N] };
  readonly problems: readonly LineProblem[];
}

/** Checks one line alone. SQL checks lines together (`check.ts`). */
export function parseLine(record: FileRecord, context: LineContext): ParsedLine {
  const values: Record<string, unknown> = {};
  const problems: LineProblem[] = [];
  const addProblem = (column: ColumnName, text: string, reason: string) =>
    problems.push({ line: record.line, column, value: shortenValue(text), reason });
  for (let index = 0; index < columnNames.length; index += 1) {
    const name = columnNames[index] as ColumnName;
    const text = record.texts[index] as string;
    if (values.kind === null) {
      values[name] = null;
      if (text !== '')
        addProblem(name, text, 'is not empty, but kind is; without a subscription both are empty');
      continue;
    }
    const read = columns[name].read(text, values, context);
    if (read === undefined) continue;
    if ('wrong' in read) addProblem(name, text, read.wrong);
    else values[name] = read.value;
  }
  const missing = checkPrice(values, context);
  if (missing !== undefined)
    addProblem(missing.column, String(values[missing.column]), missing.reason);
  return { line: record.line, values, problems };
}

/** A value in the text format of COPY; parsed values need none of its escapes. */
function toCopyText(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return '\\N';
    case 'boolean':
      return value ? 't' : 'f';
    default:
      return value === null ? '\\N' : String(value);
  }
}

/** A backslash begins an escape of COPY. */
const escapeCopyText = (text: string): string => text.replaceAll('\\', '\\\\');

/** A row of the staging table (subscription/batch/import-rows.ts), in the order of its columns. */
export function formatStagedRow({ line, values }: ParsedLine): string {
  let row = String(line);
  for (const name of columnNames) {
    let value: unknown = values[name];
    if (name === 'expires_at' && values.expires_at != null) value = isoTime(values.expires_at);
    // An empty text is a value that lines are compared by. NULL means that parsing failed.
    if (name === 'sub_token' && value === null) value = '';
    if (name === 'blocked_reason') value = escapeCopyText(values.blocked_reason ?? '');
    row += `\t${toCopyText(value)}`;
  }
  return `${row}\n`;
}
