import { type ColumnName, columns, defaultColumns, type FileLine } from './columns.ts';
import { joinFields } from './csv.ts';
import type { FileFormat } from './records.ts';

// Lines as `import` reads them, each value in the one form that it has here: written twice, the
// same books are the same bytes.

/** What stands before the lines; nothing in JSON Lines. */
export function formatHeader(
  format: FileFormat,
  names: readonly ColumnName[] = defaultColumns,
): string {
  return format === 'csv' ? `${joinFields(names)}\n` : '';
}

/** A line with its end. */
export function formatLine(
  format: FileFormat,
  line: FileLine,
  names: readonly ColumnName[] = defaultColumns,
): string {
  return format === 'csv' ? formatCsvLine(line, names) : formatJsonLine(line, names);
}

function formatCell(name: ColumnName, line: FileLine): string {
  const value = line[name];
  if (value === null) return '';
  const { write } = columns[name] as { write(value: unknown, line: FileLine): string };
  return write(value, line);
}

function formatCsvLine(line: FileLine, names: readonly ColumnName[]): string {
  return `${joinFields(names.map((name) => formatCell(name, line)))}\n`;
}

/** Money and times are text; numbers and flags are themselves. */
function formatJsonLine(line: FileLine, names: readonly ColumnName[]): string {
  const members = names.flatMap((name) => {
    const value = line[name];
    if (value === null) return [];
    const isPlain = typeof value === 'boolean' || typeof value === 'number';
    const isUnquoted = name === 'telegram_id' || (isPlain && name !== 'expires_at');
    const text = formatCell(name, line);
    return `${JSON.stringify(name)}:${isUnquoted ? text : JSON.stringify(text)}`;
  });
  return `{${members.join(',')}}\n`;
}
