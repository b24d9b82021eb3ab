import { readFileSync } from 'node:fs';
import type { Source } from '../support/source-files.ts';

// Levels and rooms, as the table in docs/architecture.md, "Levels" states them:
//
// 1. A file may import files of its room, and of rooms of a lower level.
// 2. Each file belongs to one room. The longest pattern of the table decides.
// 3. There are no cycles.

interface Room {
  readonly level: number;
  /** A file, or a folder with a slash at its end. `*` is the name of one folder. */
  readonly pattern: string;
  readonly expression: RegExp;
}

const toExpression = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]+')}${pattern.endsWith('/') ? '' : '$'}`,
  );

/** The rooms of a table with the columns level, room and contents. */
function parseRooms(document: string): readonly Room[] {
  return [...document.matchAll(/^\| (\d+(?:\.\d+)?) \| ([^|]+) \|/gm)].flatMap(
    ([, level, cell = '']) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, pattern = '']) => ({
        level: Number(level),
        pattern,
        expression: toExpression(pattern),
      })),
  );
}

const rooms = parseRooms(readFileSync('docs/architecture.md', 'utf8')).toSorted(
  (one, other) => other.pattern.length - one.pattern.length,
);

function findRoom(path: string): { readonly level: number; readonly name: string } | undefined {
  for (const { level, expression } of rooms) {
    const name = expression.exec(path)?.[0];
    if (name !== undefined) return { level, name };
  }
  return undefined;
}

/** Files without a room, and imports of another room whose level is not lower. */
export function findUpwardImports(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports }) => {
    const own = findRoom(path);
    if (own === undefined) return [`${path} has no room in docs/architecture.md`];
    return imports
      .filter(({ target, inside }) => {
        const other = inside ? findRoom(target) : undefined;
        return other !== undefined && other.name !== own.name && other.level >= own.level;
      })
      .map(({ target }) => `${path} imports ${target}`);
  });
}

/** Cycles of imports, each one once. */
export function findCycles(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      cycles.push([...trail.slice(start), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const { target } of byPath.get(path)?.imports ?? []) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const path of byPath.keys()) walk(path, []);
  return cycles;
}
