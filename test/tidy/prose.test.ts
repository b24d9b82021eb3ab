import { describe, expect, test } from 'vitest';
import { loadProse } from '../../scripts/prose/files.ts';
import { describeExcess, measureProse } from '../../scripts/prose/measure.ts';
import { extractCommentTexts, extractMarkdownTexts } from '../../scripts/prose/texts.ts';
import { findBannedWord, readBannedWords } from './words.ts';

describe.each(loadProse())('$name', ({ texts }) => {
  test('is plain English', () => {
    expect(describeExcess(measureProse(texts))).toEqual([]);
  });
});

const findBanned = (texts: readonly string[], words: readonly string[]): string[] =>
  texts.filter((text) => findBannedWord(text, words) !== undefined);

describe.each(loadProse().filter(({ name }) => name.endsWith('.md')))(
  '$name',
  ({ name, texts }) => {
    test.skipIf(name === 'docs/writing.md')('has no banned word', () => {
      expect(findBanned(texts, readBannedWords())).toEqual([]);
    });
  },
);

test('a banned word is found in each form of case, and not within another word', () => {
  const words = readBannedWords();
  expect(words).toContain('for ever');
  const texts = [
    'Nobody pays.',
    'It waits for ever.',
    'The bookshop told them.',
    'The theme is new.',
  ];
  expect(findBanned(texts, words)).toEqual(texts.slice(0, 3));
});

const long = 'The keeper reads marks '.repeat(7);
const short = 'The keeper reads marks. ';

test.each([
  ['long sentences', `${short.repeat(10)}${long}.`, [/have over 25 words/]],
  [
    'sentences that begin with who',
    `${short.repeat(50)}Whoever pays is renewed.`,
    [/begin with who/],
  ],
  ['many words per sentence', `${'A '.repeat(17)}end. `.repeat(3), [/17.\d|18.0 words/]],
  ['nothing', short.repeat(10), []],
])('finds %s', (_, text, expected) => {
  const found = describeExcess(measureProse([text]));
  expect(found).toHaveLength(expected.length);
  for (const [at, pattern] of expected.entries()) expect(found[at]).toMatch(pattern);
});

test('reads paragraphs, items and cells of a document, without headings and code', () => {
  const document = [
    '# Title of it',
    'One paragraph',
    'on two lines with `a.b c` and [a link](x.md).',
    '',
    '- an item',
    '2. a step',
    '| cell | `x` \\| y |',
    '|---|---|',
    '```sh',
    'not read',
    '```',
  ].join('\n');
  expect(extractMarkdownTexts(document)).toEqual([
    'One paragraph on two lines with code and a link.',
    'an item',
    'a step',
    'cell',
    'code | y',
  ]);
});

test('reads comments of a source file, each tag as a separate text', () => {
  const source = [
    '// The first comment',
    '// has two lines.',
    'const a = 1; // trailing text',
    '/** One line. */',
    '/**',
    ' * A block.',
    ' * @throws Fault a code',
    ' */',
    '// biome-ignore lint: not prose',
    "const url = 'https://example.com';",
  ].join('\n');
  expect(extractCommentTexts(source)).toEqual([
    'The first comment has two lines.',
    'trailing text',
    'One line.',
    'A block.',
    'Fault a code',
  ]);
});
