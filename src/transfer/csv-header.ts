import { type ColumnName, columnNames, columns, isColumnName } from './columns.ts';
import { type Delimiter, delimiters, splitFields } from './csv.ts';
import { type Problem, shortened } from './problems.ts';

// The first line of a CSV file: which character separates the fields, and which columns there are.

/** `sep=;`: the first line that Excel writes and reads, before the header. */
export function declaredDelimiter(line: string): Delimiter | undefined {
  const declared = /^sep=(.)$/i.exec(line)?.[1];
  return delimiters.find((each) => each === declared);
}

/** The separator with which the most columns are found; a comma if there is none. */
export function delimiterOf(header: string): Delimiter {
  const columnsFound = (delimiter: Delimiter): number => {
    const read = splitFields(header, delimiter);
    return 'fields' in read ? read.fields.filter(isColumnName).length : 0;
  };
  return delimiters.reduce((best, each) => (columnsFound(each) > columnsFound(best) ? each : best));
}

/** The names without the empty cells behind them, which a spreadsheet adds. */
export function namesOf(fields: readonly string[]): readonly string[] {
  return fields.slice(0, fields.findLastIndex((name) => name !== '') + 1);
}

/** Columns that have no default, because others are there. */
function missingFrom(names: readonly string[]): ColumnName[] {
  const ofSubscription = columnNames.filter((name) => columns[name].of === 'subscription');
  const needed: ColumnName[] = ['telegram_id'];
  if (ofSubscription.some((name) => names.includes(name))) {
    needed.push('kind', 'plan', 'expires_at');
  }
  return needed.filter((name) => !names.includes(name));
}

export function headerProblems(line: number, names: readonly string[]): Problem[] {
  const problems: Problem[] = [];
  names.forEach((name, place) => {
    const value = shortened(name);
    if (!isColumnName(name)) {
      problems.push({ line, column: value, value, reason: 'is not a column; see docs/import.md' });
    } else if (names.indexOf(name) !== place) {
      problems.push({ line, column: name, value, reason: 'is there twice' });
    }
  });
  for (const column of missingFrom(names)) {
    problems.push({ line, column, value: null, reason: 'is missing: the header must name it' });
  }
  return problems;
}
