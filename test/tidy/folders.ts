import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

// Imports between folders, as the table of folders in docs/architecture.md, "Levels" allows them:
//
// 1. A file outside `src/` may import `src/`, its own folder, and the folders that its row names.
// 2. A test in `src/` may import `src/`, `test/support/` and `testbed/`.

interface Folder {
  readonly path: string;
  readonly allowed: readonly string[];
}

/** The folders of a table with the columns folder, imports and contents. */
function parseFolders(document: string): readonly Folder[] {
  const rows = document.matchAll(/^\| `([a-z\d/]+\/)` \| ([^|]+) \|/gm);
  return [...rows].map(([, path = '', cell = '']) => ({
    path,
    allowed: [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  }));
}

const tests: Folder = { path: 'src/', allowed: ['test/support/', 'testbed/'] };
const folders = [tests, ...parseFolders(readFileSync('docs/architecture.md', 'utf8'))];

/** Names that a file imports. A statement starts a line, so text inside a string is no import. */
function listImports(text: string): string[] {
  const imports = text.matchAll(
    /^(?:import|(?:import|export) [^'";=()]*? from) '([^'\n]+)'|\bimport\(\s*'([^'\n]+)'/gm,
  );
  return [...imports].map(([, stated, called]) => stated ?? called ?? '');
}

const findFolder = (path: string): Folder | undefined =>
  folders.find((folder) => path.startsWith(folder.path));

export interface OutsideFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** Files without a folder in the table, and imports that no row allows. */
export function findForbiddenImports(files: readonly OutsideFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const own = findFolder(path);
    if (own === undefined) return [`${path} has no folder in docs/architecture.md`];
    return listImports(text)
      .filter((name) => name.startsWith('.'))
      .map((name) => normalize(join(dirname(path), name)))
      .filter(
        (target) => ![own.path, 'src/', ...own.allowed].some((folder) => target.startsWith(folder)),
      )
      .map((target) => `${path} imports ${target}`);
  });
}

/** All files outside the program, and the tests in `src/`. */
export function readOutsideFiles(): OutsideFile[] {
  return globSync([
    '{test,testbed,bench,scripts,examples}/**/*.ts',
    'dashboard/**/*.{ts,tsx}',
    'src/**/*.test.ts',
  ]).map((file) => ({ path: file.replaceAll('\\', '/'), text: readFileSync(file, 'utf8') }));
}
