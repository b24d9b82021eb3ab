import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

// docs/design.md lists each table with its columns, as the types of src/db have them.

const source = globSync('src/db/*.ts')
  .filter((path) => !path.endsWith('.test.ts'))
  .map((path) => readFileSync(path, 'utf8'))
  .join('\n');
const design = readFileSync('docs/design.md', 'utf8');

/** Columns of an interface, with those of the interface that it extends. */
function parseColumns(name: string): string[] {
  const found = new RegExp(`interface ${name}(?: extends (\\w+))? \\{\\n([\\s\\S]*?)\\n\\}`).exec(
    source,
  );
  if (found === null) throw new Error(`there is no interface ${name}`);
  const [, base, body = ''] = found;
  const own = [...body.matchAll(/^ {2}(\w+): /gm)].map(([, column = '']) => column);
  return [...own, ...(base === undefined ? [] : parseColumns(base))];
}

/** By table. `only_row` holds the table to one row and is no value. */
function readProgramTables(): Map<string, string[]> {
  const names = source.matchAll(/'perennial\.(\w+)': (\w+);/g);
  return new Map(
    [...names].map(([, table = '', type = '']) => [
      table,
      parseColumns(type).filter((column) => column !== 'only_row'),
    ]),
  );
}

function parseTables(document: string): Map<string, string[]> {
  const [, section = ''] = /\n## Tables\n([\s\S]*?)\n## /.exec(document) ?? [];
  const rows = section.matchAll(/^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$/gm);
  return new Map(
    [...rows].map(([, table = '', columns = '']) => [
      table,
      [...columns.matchAll(/`(\w+)`/g)].map(([, column = '']) => column),
    ]),
  );
}

/** Tables and columns that only one of the two has, as `table.column`. */
function findDifferences(
  program: Map<string, string[]>,
  document: Map<string, string[]>,
): string[] {
  const namesOf = (tables: Map<string, string[]>): Set<string> =>
    new Set(
      [...tables].flatMap(([table, columns]) => columns.map((column) => `${table}.${column}`)),
    );
  const [one, other] = [namesOf(program), namesOf(document)];
  return [...new Set([...one, ...other])]
    .filter((name) => one.has(name) !== other.has(name))
    .toSorted();
}

test('docs/design.md has each table and column of the program, and no other', () => {
  const document = parseTables(design);
  document.delete('token'); // the types of src/db do not have it
  expect(findDifferences(readProgramTables(), document)).toEqual([]);
});

test('a column that is missing or unknown is found', () => {
  const planted = parseTables(
    design.replace('`sub_token`, ', '').replace('`rests_until`', '`until`'),
  );
  planted.delete('token');
  expect(findDifferences(readProgramTables(), planted)).toEqual([
    'courier.rests_until',
    'courier.until',
    'customer.sub_token',
  ]);
});
