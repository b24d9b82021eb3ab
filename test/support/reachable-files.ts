import { readSources } from './source-files.ts';

/** All files of the program that these import, directly or not, by values and types. */
export function findReachableFiles(paths: readonly string[]): string[] {
  const sources = new Map(readSources().map((source) => [source.path, source]));
  const reached = new Set<string>();
  const follow = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const { target, inside } of sources.get(path)?.imports ?? []) if (inside) follow(target);
  };
  for (const path of paths) follow(path);
  return [...reached];
}
