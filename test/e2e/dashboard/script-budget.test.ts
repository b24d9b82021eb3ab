import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { root } from '../../support/repository.ts';

// The scripts of the first load: the entry, all that it imports at once, one language, and the
// overview.

const budgetBytes = 70_000;

interface Chunk {
  readonly file: string;
  readonly isEntry?: boolean;
  readonly imports?: readonly string[];
  readonly dynamicImports?: readonly string[];
}

const dist = join(root, 'dashboard/dist');
const manifest: Record<string, Chunk> = JSON.parse(
  readFileSync(join(dist, '.vite/manifest.json'), 'utf8'),
);

/** The files of chunks and of their static imports. */
function listFiles(names: readonly string[], seen = new Set<string>()): Set<string> {
  for (const name of names) {
    const { file, imports = [] } = manifest[name] as Chunk;
    if (!seen.has(file)) listFiles(imports, seen.add(file));
  }
  return seen;
}

const sumBytes = (files: Iterable<string>): number =>
  [...files].reduce((sum, file) => sum + gzipSync(readFileSync(join(dist, file))).length, 0);

test.each(['en', 'ru'])('the first load in "%s" has at most 70 KB of scripts', (language) => {
  const entry = Object.keys(manifest).filter((name) => manifest[name]?.isEntry);
  expect(entry).toHaveLength(1);
  const files = listFiles([...entry, 'pages/overview/page.tsx', `texts/${language}.ts`]);
  expect(files.size).toBeGreaterThan(1);
  const bytes = sumBytes(files);
  process.stdout.write(`first load in ${language}: ${bytes} bytes of ${budgetBytes}\n`);
  expect(bytes).toBeLessThanOrEqual(budgetBytes);
});

test('the page has no inline script or style, and no address of another site', () => {
  const html = readFileSync(join(dist, 'index.html'), 'utf8');
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/i);
  const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address);
  expect(addresses.length).toBeGreaterThan(2);
  for (const address of addresses) expect(address).toMatch(/^\/ui\/assets\//);
});
