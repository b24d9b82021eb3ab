import { globSync, readFileSync } from 'node:fs';
import { extractComments } from './references.ts';

// Banned words (docs/writing.md, "Banned words") in comments, names and titles of tests, and the
// width of comments.

export interface Text {
  readonly path: string;
  readonly text: string;
}

/** Words that docs/writing.md bans from texts. Its lists of file names and replacements follow. */
export function readBannedWords(): string[] {
  const [, section = ''] = readFileSync('docs/writing.md', 'utf8').split('\n## Banned words\n');
  const [list = ''] = section.split('- in file names:');
  return [...list.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
}

/** A text that contains a banned word, with the word. */
export function findBannedWord(text: string, words: readonly string[]): string | undefined {
  return new RegExp(`\\b(?:${words.join('|')})\\b`, 'i').exec(text)?.[0];
}

/** Inserts a space before each capital letter: `retryMs` becomes "retry Ms". */
const splitName = (name: string): string => name.replaceAll(/([a-z\d])([A-Z])/g, '$1 $2');

const title = /\b(?:test|describe|it)(?:\.\w+(?:\([^()]*\))?)*\(\s*(['"`])([\s\S]*?)\1/g;
const named =
  /\b(?:function\*?|const|let|class|interface|type|enum) (\w+)|[{,(]\s*(?:readonly )?(\w+)\??[:,})]|^\s+(?:readonly |async |static |private )*(\w+)\??[:(]/gm;

/** Comments, titles and declared names of a file, with the place of each finding. */
export function findWords({ path, text }: Text, words: readonly string[]): string[] {
  const found: string[] = [];
  const comments = extractComments(text);
  for (const sentence of comments.split(/(?<=[.:;])\s/)) {
    const word = findBannedWord(sentence, words);
    if (word !== undefined) found.push(`${path}: comment "${word}": ${sentence.slice(0, 80)}`);
  }
  for (const [, , name = ''] of text.matchAll(title)) {
    const word = findBannedWord(name, words);
    if (word !== undefined) found.push(`${path}: title "${word}": ${name.slice(0, 80)}`);
  }
  const names = new Set(
    [...text.matchAll(named)].map(
      ([, declared, listed, member]) => declared ?? listed ?? member ?? '',
    ),
  );
  for (const name of names) {
    const word = findBannedWord(splitName(name), words);
    if (word !== undefined) found.push(`${path}: name ${name}`);
  }
  return found;
}

/** Literals with a space are sentences; those without one are codes and ids, which never change. */
const literal = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g;
const comment = /^\s*\/\*[\s\S]*?\*\/|^\s*\/\/.*$|\s\/\/ .*$/gm;

/** Sentences for persons and logs, and labels of tests, that contain a banned word. */
export function findMessageWords({ path, text }: Text, words: readonly string[]): string[] {
  return [...text.replaceAll(comment, '').matchAll(literal)]
    .map(([, single, double, template]) => single ?? double ?? template ?? '')
    .map((value) => value.replaceAll(/\$\{[^}]*\}/g, '…'))
    .filter((value) => / /.test(value) && !/\b(?:SELECT|INSERT|UPDATE|DELETE|FETCH)\b/.test(value))
    .flatMap((value) => {
      const word = findBannedWord(value, words);
      return word === undefined ? [] : [`${path}: message "${word}": ${value.slice(0, 80)}`];
    });
}

/** Lines of comments with more than 100 columns. A line that is one address is exempt. */
export function findWideComments({ path, text }: Text): string[] {
  return text
    .split('\n')
    .flatMap((line, at) =>
      line.length > 100 && /^\s*(?:\/\/|\/\*|\*)/.test(line) && !/https?:\/\/\S{60,}/.test(line)
        ? [`${path}:${at + 1}: ${line.length} columns`]
        : [],
    );
}

/** Files of the repository that a person wrote, except the generated codec. */
export function readTexts(): readonly Text[] {
  const patterns = [
    '{src,test,testbed,bench,scripts,examples}/**/*.ts',
    'dashboard/**/*.{ts,tsx}',
    'bin/*.js',
  ];
  return globSync(patterns, {
    exclude: ['src/**/*.d.ts', 'dashboard/**/*.d.ts'],
  }).map((file) => ({ path: file.replaceAll('\\', '/'), text: readFileSync(file, 'utf8') }));
}
