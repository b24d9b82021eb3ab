import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** A file of src/ as the rules read it. */
export interface Source {
  /** From src/, with slashes: `runs/runner.ts`. */
  readonly path: string;
  readonly lines: number;
  /** Its text without comments; strings and SQL stay. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /** A file of src/ (`db/connect.ts`), one outside (`../test/support/database.ts`), a package, or `node:fs`. */
  readonly target: string;
  readonly inside: boolean;
  /** Gone when it runs. */
  readonly typeOnly: boolean;
}

/** Comment lines and comments at a line's end, as the formatter leaves them. Not within strings. */
function withoutComments(text: string): string {
  return text
    .replaceAll(/^\s*\/\*[\s\S]*?\*\/\s*$/gm, '')
    .replaceAll(/^\s*\/\/.*$/gm, '')
    .replaceAll(/\s\/\/ .*$/gm, '');
}

const importing =
  /(?:\bimport (type )[^;]*?|\bexport (type )[^;]*?)?\b(?:from|import)\s*\(?\s*'([^'\n]+)'/g;

/** Types count too: a direction that only the compiler follows is one all the same. */
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

/** Every file of the program that was written by hand, its tests among them. */
export function readSources(): readonly Source[] {
  return globSync('src/**/*.ts', { exclude: ['src/**/*.d.ts'] }).map((file) => {
    const path = file.replaceAll('\\', '/').replace(/^src\//, '');
    return sourceOf(path, readFileSync(file, 'utf8'));
  });
}
