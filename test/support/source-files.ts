import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** A file of src/ in the form that the rules read. */
export interface Source {
  /** From src/, with slashes: `runs/runner.ts`. */
  readonly path: string;
  readonly lines: number;
  /** The text without comments. Strings and SQL stay. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /**
   * A file of src/ (`db/connect.ts`), one outside (`../test/support/database.ts`), a package, or a
   * module of Node.
   */
  readonly target: string;
  readonly inside: boolean;
  /** True if the import does not exist at run time. */
  readonly typeOnly: boolean;
}

/** Removes comment lines and comments at the end of a line, as the formatter leaves them. */
function withoutComments(text: string): string {
  return text
    .replaceAll(/^\s*\/\*[\s\S]*?\*\/\s*$/gm, '')
    .replaceAll(/^\s*\/\/.*$/gm, '')
    .replaceAll(/\s\/\/ .*$/gm, '');
}

const importing =
  /(?:\bimport (type )[^;]*?|\bexport (type )[^;]*?)?\b(?:from|import)\s*\(?\s*'([^'\n]+)'/g;

/** Imports of types count too, because they are dependencies of the compiler. */
function importsOf(path: string, code: string): readonly Import[] {
  return [...code.matchAll(importing)].map(([, imported, exported, name = '']) => {
    const relative = name.startsWith('.');
    const target = relative ? normalize(join(dirname(path), name)) : name;
    const typeOnly = (imported ?? exported) !== undefined;
    return { target, inside: relative && !target.startsWith('..'), typeOnly };
  });
}

export function sourceOf(path: string, text: string): Source {
  const code = withoutComments(text);
  return { path, lines: text.split('\n').length - 1, code, imports: importsOf(path, code) };
}

export const isTest = (path: string): boolean => path.endsWith('.test.ts');

/** All files of the program that a person wrote, with their tests. */
export function readSources(): readonly Source[] {
  return globSync('src/**/*.ts', { exclude: ['src/**/*.d.ts'] }).map((file) => {
    const path = file.replaceAll('\\', '/').replace(/^src\//, '');
    return sourceOf(path, readFileSync(file, 'utf8'));
  });
}
