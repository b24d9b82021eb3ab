import { readFileSync } from 'node:fs';

// package.json is one folder above this file, in a clone (src) and in a release (dist).
const manifest: { version: string } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
);

/** The version of this program: `X.Y.Z`. */
export const programVersion: string = manifest.version;

/** True if version `a` is older than `b`, by their three numbers. A part after `-` is ignored. */
export function isOlderVersion(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => text.split('-')[0]?.split('.').map(Number) ?? []);
  for (let index = 0; index < 3; index += 1) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
