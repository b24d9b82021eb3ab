import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { extractCommentTexts, extractMarkdownTexts } from './texts.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8');

/** Documents and folders of source whose prose is measured. docs/api.md is generated. */
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...globSync('docs/*.md', { cwd: root }),
];
const sources = ['src', 'test', 'testbed', 'bench', 'scripts', 'examples', 'bin', 'dashboard'];

export interface ProseSource {
  /** A document, or `comments of FOLDER`. */
  readonly name: string;
  readonly texts: readonly string[];
}

export function loadProse(): ProseSource[] {
  return [
    ...documents.toSorted().map((name) => ({ name, texts: extractMarkdownTexts(read(name)) })),
    ...sources.map((folder) => ({
      name: `comments of ${folder}`,
      texts: globSync(`${folder}/**/*.{ts,tsx,js}`, {
        cwd: root,
        exclude: ['dashboard/dist/**', 'dashboard/**/*.d.ts'],
      }).flatMap((file) => extractCommentTexts(read(file))),
    })),
  ];
}
