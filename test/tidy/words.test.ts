import { expect, test } from 'vitest';
import {
  findMessageWords,
  findWideComments,
  findWords,
  readBannedWords,
  readTexts,
} from './words.ts';

const words = readBannedWords();
/** Without this file, which plants violations. */
const texts = readTexts().filter(({ path }) => path !== 'test/tidy/words.test.ts');

test('comments, names and titles contain no banned word', () => {
  expect(texts.flatMap((text) => findWords(text, words))).toEqual([]);
});

test('messages and labels contain no banned word', () => {
  // The tests of these rules plant violations.
  const sources = texts.filter(({ path }) => !path.startsWith('test/tidy/'));
  expect(sources.flatMap((text) => findMessageWords(text, words))).toEqual([]);
});

test.each([
  ["throw refused('no_node', 'the books know no node');", 'message "books"'],
  ['const text = `node: nobody can connect`;', 'message "nobody"'],
])('a banned word in the message of %s is found', (text, expected) => {
  expect(findMessageWords({ path: 'src/a.ts', text }, words)).toEqual([
    expect.stringContaining(expected),
  ]);
});

test('comments have at most 100 columns', () => {
  expect(texts.flatMap(findWideComments)).toEqual([]);
});

test.each([
  ['a comment', '// Nobody waits for it.\n', 'comment "Nobody"'],
  ['a title', "test('who is told, and when', () => {});\n", 'title "told"'],
  ['a name', 'const firstToldAt = 1;\n', 'name firstToldAt'],
  ['a member', 'interface A {\n  readonly books: string;\n}\n', 'name books'],
])('a banned word in %s is found', (_, text, expected) => {
  expect(findWords({ path: 'src/a.ts', text }, words)).toEqual([expect.stringContaining(expected)]);
});

test('a wide comment is found', () => {
  const text = `// ${'a'.repeat(98)}\nconst a = '${'b'.repeat(120)}';\n`;
  expect(findWideComments({ path: 'src/a.ts', text })).toEqual(['src/a.ts:1: 101 columns']);
});
