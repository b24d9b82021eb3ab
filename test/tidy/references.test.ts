import { expect, test } from 'vitest';
import { brokenReferences, extractComments, readCitations, readTargets } from './references.ts';

const targets = readTargets();

test('each reference of a comment or document has a target', () => {
  expect(readCitations().flatMap((citing) => brokenReferences(citing, targets))).toEqual([]);
});

test('the design has 10 promises and 4 concurrency rules', () => {
  expect([targets.promises, targets.rules]).toEqual([10, 4]);
  expect(targets.rows.size).toBeGreaterThan(70);
});

test.each([
  ['an absent source file', '// Written by `kernel/absent.ts`.', 'kernel/absent.ts'],
  ['an absent folder', '// The files of `transfer/`.', 'transfer/'],
  ['an absent document', '// As DESIGN.md states.', 'DESIGN.md'],
  [
    'an absent heading',
    '// See docs/xray-facts.md,\n// "Nothing".',
    'docs/xray-facts.md, "Nothing"',
  ],
  ['an absent section of the design', '/** A rule (design, keep-nodes). */', 'design, keep-nodes'],
  ['an absent promise', '/**\n * Holds promise 11.\n */', 'promise 11'],
  ['an absent concurrency rule', '// Locks the row (rule 5).', 'rule 5'],
  ['an absent statement of a file', '// Holds `terms.ts`, rule 99.', 'terms.ts`, rule 99'],
  ['an absent matrix row', '-- Shown by matrix Z1.', 'matrix Z1'],
  ['an absent name', '/** Closed by `closeBooks`. */', 'closeBooks'],
  ['an absent member', '// As `targets.readBooks()` does.', 'targets.readBooks'],
])('finds %s', (_, source, reference) => {
  const citing = { path: 'kernel/planted.ts', text: extractComments(source) };
  expect(brokenReferences(citing, targets)).toEqual([`kernel/planted.ts: ${reference}`]);
});

test.each([
  '// promise 5, promises 4 and 5, rule 2, rules 1 and 4, matrix R13, matrix row X7',
  '// design, keep-node; design, expiry-reminders; design, change of plan',
  '// docs/xray-facts.md, "Users"; docs/nodes.md; `instant.ts` in `kernel/`; `terms.ts`, rules 2 and 9',
  '// `readTargets`, `targets.isFile`, `readTargets()`, `setWebhook`, `access_sync`',
  "const text = 'DESIGN.md'; const name = '`closeBooks`';",
])('accepts references that have a target: %s', (source) => {
  expect(
    brokenReferences({ path: 'kernel/planted.ts', text: extractComments(source) }, targets),
  ).toEqual([]);
});
