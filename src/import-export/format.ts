import { type ColumnName, columns, defaultColumns, type FileLine } from './columns.ts';
import { joinFields } from './csv.ts';
import type { FileFormat } from './records.ts';

// Writes lines in the format of `import`. Each value has one form, so the same data gives the same
// bytes.

/** The text before the lines; empty for JSON Lines. */
export function formatHeader(
  format: FileFormat,
  names: readonly ColumnName[] = defaultColumns,
): string {
  return format === 'csv' ? `${joinFields(names)}\n` : '';
}

/** A line with its line end. */
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

/** Money and times are strings; numbers and flags keep their type. */
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
