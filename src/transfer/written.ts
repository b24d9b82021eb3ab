import { type BookLine, type ColumnName, columnNames, columns } from './columns.ts';
import { joinFields } from './csv.ts';
import type { Format } from './records.ts';

// Lines as `import` reads them, each value in the one form that it has here: written twice, the
// same books are the same bytes.

/** What stands before the lines; nothing in JSON Lines. */
export function headText(format: Format): string {
  return format === 'csv' ? `${joinFields(columnNames)}\n` : '';
}

/** A line with its end. */
export function lineText(format: Format, line: BookLine): string {
  return format === 'csv' ? csvLine(line) : jsonLine(line);
}

function valueText(name: ColumnName, line: BookLine): string {
  const value = line[name];
  if (value === null) return '';
  const { write } = columns[name] as { write(value: unknown, line: BookLine): string };
  return write(value, line);
}

function csvLine(line: BookLine): string {
  return `${joinFields(columnNames.map((name) => valueText(name, line)))}\n`;
}

/** Money and times are text; numbers and flags are themselves. */
function jsonLine(line: BookLine): string {
  const members = columnNames.flatMap((name) => {
    const value = line[name];
    if (value === null) return [];
    const plain = typeof value === 'boolean' || typeof value === 'number';
    const asItIs = name === 'telegram_id' || (plain && name !== 'expires_at');
    const text = valueText(name, line);
    return `${JSON.stringify(name)}:${asItIs ? text : JSON.stringify(text)}`;
  });
  return `{${members.join(',')}}\n`;
}
