import { type BookLine, type ColumnName, columns, usualColumns } from './columns.ts';
import { joinFields } from './csv.ts';
import type { Format } from './records.ts';

// Lines as `import` reads them, each value in the one form that it has here: written twice, the
// same books are the same bytes.

/** What stands before the lines; nothing in JSON Lines. */
export function headText(format: Format, names: readonly ColumnName[] = usualColumns): string {
  return format === 'csv' ? `${joinFields(names)}\n` : '';
}

/** A line with its end. */
export function lineText(
  format: Format,
  line: BookLine,
  names: readonly ColumnName[] = usualColumns,
): string {
  return format === 'csv' ? csvLine(line, names) : jsonLine(line, names);
}

function valueText(name: ColumnName, line: BookLine): string {
  const value = line[name];
  if (value === null) return '';
  const { write } = columns[name] as { write(value: unknown, line: BookLine): string };
  return write(value, line);
}

function csvLine(line: BookLine, names: readonly ColumnName[]): string {
  return `${joinFields(names.map((name) => valueText(name, line)))}\n`;
}

/** Money and times are text; numbers and flags are themselves. */
function jsonLine(line: BookLine, names: readonly ColumnName[]): string {
  const members = names.flatMap((name) => {
    const value = line[name];
    if (value === null) return [];
    const plain = typeof value === 'boolean' || typeof value === 'number';
    const asItIs = name === 'telegram_id' || (plain && name !== 'expires_at');
    const text = valueText(name, line);
    return `${JSON.stringify(name)}:${asItIs ? text : JSON.stringify(text)}`;
  });
  return `{${members.join(',')}}\n`;
}
