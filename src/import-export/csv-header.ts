import { type ColumnName, columnNames, columns, isColumnName } from './columns.ts';
import { type Delimiter, delimiters, splitFields } from './csv.ts';
import { type LineProblem, shortenValue } from './problems.ts';

// The header of a CSV file: the separator, and the columns of the file.

/** `sep=;`: the first line that Excel writes and reads, before the header. */
export function parseDelimiter(line: string): Delimiter | undefined {
  const declared = /^sep=(.)$/i.exec(line)?.[1];
  return delimiters.find((each) => each === declared);
}

/** The separator that finds the most columns; a comma by default. */
export function detectDelimiter(header: string): Delimiter {
  const countColumns = (delimiter: Delimiter): number => {
    const read = splitFields(header, delimiter);
    return 'fields' in read ? read.fields.filter(isColumnName).length : 0;
  };
  return delimiters.reduce((best, each) => (countColumns(each) > countColumns(best) ? each : best));
}

/** The names without empty cells at the end, which a spreadsheet adds. */
export function trimNames(fields: readonly string[]): readonly string[] {
  return fields.slice(0, fields.findLastIndex((name) => name !== '') + 1);
}

/** Columns without a default that are required because of other columns. */
function computeMissingColumns(names: readonly string[]): ColumnName[] {
  const ofSubscription = columnNames.filter((name) => columns[name].owner === 'subscription');
  const needed: ColumnName[] = ['telegram_id'];
  if (ofSubscription.some((name) => names.includes(name))) {
    needed.push('kind', 'plan', 'expires_at');
  }
  return needed.filter((name) => !names.includes(name));
}

export function checkHeader(line: number, names: readonly string[]): LineProblem[] {
  const problems: LineProblem[] = [];
  names.forEach((name, index) => {
    const value = shortenValue(name);
    if (!isColumnName(name)) {
      problems.push({ line, column: value, value, reason: 'is not a column; see docs/import.md' });
    } else if (names.indexOf(name) !== index) {
      problems.push({ line, column: name, value, reason: 'is given twice' });
    }
  });
  for (const column of computeMissingColumns(names)) {
    problems.push({ line, column, value: null, reason: 'is missing: the header must name it' });
  }
  return problems;
}
