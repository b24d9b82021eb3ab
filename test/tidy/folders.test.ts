import { expect, test } from 'vitest';
import { findForbiddenImports, readOutsideFiles } from './folders.ts';

test('each folder outside the program imports only what docs/architecture.md allows', () => {
  const files = readOutsideFiles();
  expect(files.length).toBeGreaterThan(400);
  expect(findForbiddenImports(files)).toEqual([]);
});

test.each([
  ['test/integration/a.test.ts', '../../bench/table.ts', 'bench/table.ts'],
  ['test/support/a.ts', '../proofs/model/model.ts', 'test/proofs/model/model.ts'],
  ['test/proofs/access/a.ts', '../../integration/b.ts', 'test/integration/b.ts'],
  ['bench/a.ts', '../test/support/database.ts', 'test/support/database.ts'],
  ['testbed/a.ts', '../test/support/database.ts', 'test/support/database.ts'],
  ['scripts/a.ts', '../testbed/until.ts', 'testbed/until.ts'],
  ['src/db/a.test.ts', '../../bench/table.ts', 'bench/table.ts'],
  ['test/e2e/a.ts', '../proofs/matrix/main.ts', 'test/proofs/matrix/main.ts'],
])('%s may not import %s', (path, name, target) => {
  const forbidden = [`${path} imports ${target}`];
  expect(findForbiddenImports([{ path, text: `import { a } from '${name}';` }])).toEqual(forbidden);
  expect(findForbiddenImports([{ path, text: `import type { A } from '${name}';` }])).toEqual(
    forbidden,
  );
  expect(findForbiddenImports([{ path, text: `await import('${name}');` }])).toEqual(forbidden);
});

test('a file outside each folder of the table is found', () => {
  expect(findForbiddenImports([{ path: 'lab/a.ts', text: '' }])).toEqual([
    'lab/a.ts has no folder in docs/architecture.md',
  ]);
});
