import type { Source } from './source.ts';

// docs/architecture.md: kernel ← subscription ← rule ← store, worker ← app ← main, as ranks. A file
// imports what stands lower, or what is in its own house. What isn't named here is part of the top:
// the command line, HTTP, the demonstration, whatever puts the parts together.

const rooms: readonly (readonly [pattern: RegExp, house: string, rank: number])[] = [
  [/^kernel\//, 'kernel', 0],
  [/^version\.ts$/, 'version', 0],
  [/^db\//, 'db', 1],
  [/^config(-schema|-faults|-exposed)?\.ts$/, 'config', 1],
  // They go by the books' rules and write their timeline: apart from the outbox, which those rules write to.
  [/^notify\/(judging|turns|refreshing|notice-facts|facts|by-hand)\.ts$/, 'notice judging', 4],
  [/^notify\//, 'notify', 2],
  [/^xray\//, 'xray', 2],
  [/^subscription\//, 'subscription', 3],
  [/^audit\//, 'audit', 4],
  [/^transfer\//, 'transfer', 4],
  [/^workers\/[^/]+\/rule\.ts$/, 'rule', 4],
  [/^workers\/index\.ts$/, 'worker list', 7],
  [/^workers\/[^/]+\/.*$/, 'worker', 6],
  [/^workers\//, 'runner', 5],
  [/^main\.ts$/, 'main', 9],
];

function findRoom(path: string): { house: string; rank: number } {
  const found = rooms.find(([pattern]) => pattern.test(path));
  return found ? { house: found[1], rank: found[2] } : { house: 'top', rank: 8 };
}

/** Imports that point up, or across to another house of the same height. */
export function findUpwardImports(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports }) => {
    const own = findRoom(path);
    return imports
      .filter(({ target, inside }) => {
        const other = findRoom(target);
        return inside && other.house !== own.house && other.rank >= own.rank;
      })
      .map(({ target }) => `${path} imports ${target}`);
  });
}

const toWorkerFolder = (path: string) => /^workers\/([^/]+)\//.exec(path)?.[1];

/** Workers that know of each other. */
export function findWorkerImports(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports }) => {
    const own = toWorkerFolder(path);
    return imports
      .filter(({ target }) => {
        const other = toWorkerFolder(target);
        return own !== undefined && other !== undefined && own !== other;
      })
      .map(({ target }) => `${path} imports ${target}`);
  });
}

/** Circles of imports, each told once. */
export function findCycles(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const found: string[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const place = trail.indexOf(path);
    if (place >= 0) {
      found.push([...trail.slice(place), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const { target } of byPath.get(path)?.imports ?? []) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const path of byPath.keys()) walk(path, []);
  return found;
}
