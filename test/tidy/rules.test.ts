import { describe, expect, test } from 'vitest';
import { readSources, sourceOf } from '../support/source-files.ts';
import { rules } from './rules.ts';

const sources = readSources();

test('the rules read all files of the program, and each import leads to a file', () => {
  const paths = new Set(sources.map(({ path }) => path));
  expect(paths).toContain('kernel/faults.ts');
  const missing = sources.flatMap(({ path, imports }) =>
    imports
      .filter(({ target, inside }) => inside && target.endsWith('.ts') && !paths.has(target))
      .map(({ target }) => `${path} imports ${target}`),
  );
  expect(missing).toEqual([]);
});

describe.each(rules)('$title', ({ find, planted }) => {
  test('holds', () => {
    expect(find(sources)).toEqual([]);
  });

  test('names each planted file', () => {
    const found = find(planted.map(([path, text]) => sourceOf(path, text)));
    expect(planted.filter(([path]) => !found.some((line) => line.includes(path)))).toEqual([]);
  });
});

test('a comment violates no rule of code', () => {
  const text =
    '// not Date.now()\n/**\n * catch, OFFSET 1, process.env\n */\nconst a = 1; // new Date()\n';
  const commented = [sourceOf('subscription/store/a.ts', text)];
  expect(rules.flatMap(({ find }) => find(commented))).toEqual([]);
});
