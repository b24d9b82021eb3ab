import { describe, expect, test } from 'vitest';
import { rules } from './tidy/rules.ts';
import { parseSource, readSources } from './tidy/source.ts';

const sources = readSources();

test('the rules read the whole program, and each import of it leads to a file', () => {
  const paths = new Set(sources.map(({ path }) => path));
  expect(paths).toContain('kernel/faults.ts');
  const unresolved = sources.flatMap(({ path, imports }) =>
    imports
      .filter(({ target, inside }) => inside && target.endsWith('.ts') && !paths.has(target))
      .map(({ target }) => `${path} imports ${target}`),
  );
  expect(unresolved).toEqual([]);
});

describe.each(rules)('$title', ({ broken, planted }) => {
  test('holds', () => {
    expect(broken(sources)).toEqual([]);
  });

  test('is able to fail: it names each file planted to break it', () => {
    const found = broken(planted.map(([path, text]) => parseSource(path, text)));
    const missed = planted.filter(([path]) => !found.some((line) => line.includes(path)));
    expect(missed).toEqual([]);
  });
});

test('what a comment says breaks no rule', () => {
  const text =
    '// not Date.now()\n/**\n * catch, OFFSET 1, process.env\n */\nconst a = 1; // new Date()\n';
  const commented = [parseSource('subscription/a.ts', text)];
  expect(rules.flatMap(({ broken }) => broken(commented))).toEqual([]);
});
