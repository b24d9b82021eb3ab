import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { columnNames, columns, defaultColumns } from './columns.ts';

const document = readFileSync(new URL('../../docs/import.md', import.meta.url), 'utf8');

test('docs/import.md says of each column what it allows, and what an empty one means', () => {
  const rows = document.split('\n').filter((line) => line.startsWith('| `'));
  expect(rows).toEqual(
    columnNames.map((name) => `| \`${name}\` | ${columns[name].allows} | ${columns[name].empty} |`),
  );
});

test('its example names the columns in their order', () => {
  expect(document).toContain(`\n${defaultColumns.join(',')}\n`);
});
