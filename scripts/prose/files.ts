import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { textsOfComments, textsOfMarkdown } from './texts.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8');

/** Documents and folders of source whose prose is measured. docs/api.md is generated. */
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...globSync('docs/*.md', { cwd: root }),
];
const sources = ['src', 'test', 'bench', 'scripts'];

export interface ProseOf {
  /** A document, or `comments of FOLDER`. */
  readonly name: string;
  readonly texts: readonly string[];
}

export function readProse(): ProseOf[] {
  return [
    ...documents.toSorted().map((name) => ({ name, texts: textsOfMarkdown(read(name)) })),
    ...sources.map((folder) => ({
      name: `comments of ${folder}`,
      texts: globSync(`${folder}/**/*.ts`, { cwd: root }).flatMap((file) =>
        textsOfComments(read(file)),
      ),
    })),
  ];
}
