import { spawnSync } from 'node:child_process';
import { cpSync, globSync, rmSync } from 'node:fs';
import { relative } from 'node:path';

// Writes dist/, which a release runs: src/ compiled, and the files that the program reads at run
// time (migrations, texts).

rmSync('dist', { recursive: true, force: true });
const tsc = spawnSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });
if (tsc.status !== 0) process.exit(tsc.status ?? 1);
for (const file of globSync('src/**/*.{sql,ftl,yaml,proto,json,js,html,css}')) {
  cpSync(file, `dist/${relative('src', file)}`);
}
