import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseDocument } from '../support/markdown-document.ts';

// References of comments and documents: files, headings, promises, rules, matrix rows and names.

/** A file that may contain references. */
export interface CitingText {
  readonly path: string;
  /** Comments of a source file, or a document without its blocks, in one line. */
  readonly text: string;
}

/** The targets that exist. */
export interface ReferenceTargets {
  readonly isFile: (path: string) => boolean;
  /** Whether the path of a source file ends with this one. */
  readonly isSource: (path: string) => boolean;
  /** Whether the path of a folder ends with this one, which ends with a slash. */
  readonly isFolder: (path: string) => boolean;
  /** Headings of a document; empty if it has none or is absent. */
  readonly readHeadings: (path: string) => readonly string[];
  readonly promises: number;
  readonly rules: number;
  readonly rows: ReadonlySet<string>;
  /** True for a word of the code, and for a name of other software. */
  readonly isName: (name: string) => boolean;
  /** Numbers of the statements at the top of a source file: `1.`, `2.`. */
  readonly readStatementNumbers: (name: string, from: string) => readonly number[];
}

const parseNumbers = (text: string): number[] => [...text.matchAll(/\d+/g)].map(([n]) => Number(n));

/** Each reference of a text without a target, as `path: reference`. */
export function brokenReferences({ path, text }: CitingText, targets: ReferenceTargets): string[] {
  const broken: string[] = [];
  const report = (reference: string): void => {
    broken.push(`${path}: ${reference}`);
  };
  for (const [, file = '', heading] of text.matchAll(
    /(?<![\w/.-])((?:[\w.-]+\/)*[A-Za-z][\w-]*\.md)\b(?:, "([^"]+)")?/g,
  )) {
    if (!targets.isFile(file)) report(file);
    else if (heading !== undefined && !targets.readHeadings(file).includes(heading)) {
      report(`${file}, "${heading}"`);
    }
  }
  const sections = targets
    .readHeadings('docs/design.md')
    .flatMap((heading) => heading.split(', '))
    .map((heading) => heading.toLowerCase());
  for (const [, cited = ''] of text.matchAll(/(?<![/\w])design, ([a-z][a-z -]*)/g)) {
    const found = sections.some((heading) =>
      new RegExp(`^${heading}(?![a-z-])`).test(cited.trimEnd()),
    );
    if (!found) report(`design, ${cited}`);
  }
  for (const [cited] of text.matchAll(/\b[Pp]romises? \d+(?:(?:, | and | to )\d+)*/g)) {
    if (parseNumbers(cited).some((n) => n < 1 || n > targets.promises)) report(cited);
  }
  for (const [cited, file] of text.matchAll(
    /(?:([\w/-]+\.ts)`, |(?<!, ))\b[Rr]ules? \d+(?:(?:, | and | to )\d+)*/g,
  )) {
    const own = targets.readStatementNumbers(file ?? path, path);
    const known =
      own.length > 0 || file !== undefined
        ? own
        : Array.from({ length: targets.rules }, (_, at) => at + 1);
    const cites = parseNumbers(cited.slice(cited.search(/[Rr]ule/)));
    const both = file === undefined ? [...known, ...listRuleNumbers(targets)] : known;
    if (cites.some((n) => !both.includes(n))) report(cited);
  }
  for (const [, file = ''] of text.matchAll(/`((?:[\w-]+\/)*[a-z][\w.-]*\.(?:ts|sql))`/g)) {
    if (!targets.isSource(file)) report(file);
  }
  for (const [, folder = ''] of text.matchAll(/`((?:[a-z][\w-]*\/)+)`/g)) {
    if (!targets.isFolder(folder)) report(folder);
  }
  for (const [cited, row = ''] of text.matchAll(/\bmatrix (?:row )?([A-Z]\d+)\b/g)) {
    if (!targets.rows.has(row)) report(cited);
  }
  for (const name of listNames(text)) {
    const isKnown = (part: string): boolean => !isCamelCase(part) || targets.isName(part);
    if (!name.split('.').every(isKnown)) report(name);
  }
  return broken;
}

/** Quoted names with a camelCase part: `readTargets`, `targets.isFile`, `readTargets()`. */
const listNames = (text: string): string[] =>
  [...text.matchAll(/`([A-Za-z_][\w.]*)(?:\(\))?`/g)]
    .map(([, name = '']) => name)
    .filter((name) => isCamelCase(name));

const isCamelCase = (word: string): boolean => /[a-z][A-Z]/.test(word);

const listRuleNumbers = ({ rules }: ReferenceTargets): number[] =>
  Array.from({ length: rules }, (_, at) => at + 1);

/** Text of `//` and block comments; a `*` or `//` at the start of each line is left out. */
export function extractComments(source: string): string {
  const comments = source.match(/^\s*\/\*[\s\S]*?\*\/|^\s*\/\/.*$|\s\/\/ .*$|^\s*--.*$/gm) ?? [];
  return comments
    .join('\n')
    .replaceAll(/^\s*(?:\/\/|\/\*\*?|\*\/|\*|--)\s?/gm, '')
    .replaceAll(/\s+/g, ' ');
}

const rootDocuments = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];
/** Without migrations: they never change, also not in a comment. */
const sources = [
  ...['src', 'test', 'testbed', 'bench', 'scripts', 'examples'].map((name) => `${name}/**/*.ts`),
  'dashboard/**/*.{ts,tsx}',
  'bin/*.js',
  'bench/*.sql',
];

const readText = (path: string): string => readFileSync(path, 'utf8');

/** Names of other software that texts quote and the code does not use. */
const foreignNames = [
  'connIdle', // a setting of Xray
  'setWebhook', // a method of Telegram's Bot API
  'unknownOption', // a part of an error code of commander
];

/** All words of the code, also of its strings, without comments. */
function readCodeWords(): ReadonlySet<string> {
  // Tests of this folder plant violations.
  const files = globSync(sources, {
    exclude: ['test/tidy/*.test.ts', 'bench/*.sql'],
  });
  const comment = /^\s*\/\*[\s\S]*?\*\/|^\s*\/\/.*$|\s\/\/ .*$/gm;
  return new Set(
    files.flatMap((path) => readText(path).replaceAll(comment, '').match(/\w+/g) ?? []),
  );
}

/** Every comment and every document of the repository. */
export function readCitations(): CitingText[] {
  return [
    ...globSync(['*.ts', ...sources]).map((path) => ({
      path,
      text: extractComments(readText(path)),
    })),
    ...[...rootDocuments, ...globSync('docs/*.md')].map((path) => ({
      path,
      text: parseDocument(path, readText(path)).prose.replaceAll(/\s+/g, ' '),
    })),
  ];
}

/** The numbered statements of a section of a document. */
function countStatements(section: string, path: string): number {
  const [, after = ''] = readText(path).split(`\n## ${section}\n`);
  const [own = ''] = after.split('\n## ');
  return own.match(/^\d+\. /gm)?.length ?? 0;
}

/** All folders above a file. */
function listFolders(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, at) => names.slice(0, at + 1).join('/'));
}

export function readTargets(): ReferenceTargets {
  const files = globSync([
    '{src,test,testbed,bench,scripts}/**/*.ts',
    'dashboard/**/*.{ts,tsx,ftl}',
  ]).map((path) => path.replaceAll('\\', '/'));
  /** The file beside the citing one, else all files whose path ends with the name. */
  const find = (name: string, from: string): readonly string[] => {
    const beside = join(dirname(from), name);
    return files.includes(beside)
      ? [beside]
      : files.filter((path) => `/${path}`.endsWith(`/${name}`));
  };
  const named = [...files, ...globSync(['*.ts', '{src,bench,examples}/**/*.{sql,ts}'])].map(
    (path) => `/${path.replaceAll('\\', '/')}`,
  );
  const folders = new Set(named.flatMap(listFolders));
  const words = new Set([...readCodeWords(), ...foreignNames]);
  const inDocs = (path: string): string => (existsSync(path) ? path : `docs/${path}`);
  return {
    isFile: (path) => existsSync(path) || existsSync(`docs/${path}`),
    isFolder: (path) => [...folders].some((folder) => `${folder}/`.endsWith(`/${path}`)),
    isSource: (path) => named.some((file) => file.endsWith(`/${path}`)),
    readHeadings: (path) =>
      existsSync(inDocs(path)) ? parseDocument(path, readText(inDocs(path))).headings : [],
    promises: countStatements('Promises', 'docs/design.md'),
    rules: countStatements('Concurrency rules', 'docs/design.md'),
    rows: new Set(
      [...readText('docs/safety-matrix.md').matchAll(/^\| ([A-Z]\d+) /gm)].map(([, id = '']) => id),
    ),
    isName: (name) => words.has(name),
    readStatementNumbers: (name, from) =>
      find(name, from).flatMap((path) =>
        [...readText(path).matchAll(/^(?:\/\/| \*) (\d+)\. /gm)].map(([, n]) => Number(n)),
      ),
  };
}
