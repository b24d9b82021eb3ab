import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { root } from './repository.ts';

// Builds the dashboard before the tests, if a file of it is newer than the last build.

const configFile = join(root, 'dashboard/vite.config.ts');

const readTimeMs = (file: string): number =>
  statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;

export default async function setup(): Promise<void> {
  const builtMs = readTimeMs('dashboard/dist/index.html');
  const sources = globSync('dashboard/**/*.{ts,tsx,css,ftl,html,svg}', {
    cwd: root,
    exclude: ['dashboard/dist/**'],
  });
  const isCurrent = ['package-lock.json', ...sources].every((file) => readTimeMs(file) < builtMs);
  if (!isCurrent) await build({ configFile, logLevel: 'warn' });
}
