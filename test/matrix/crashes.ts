import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './mutants.ts';

// `npm run proof:crashes`: a run and each command killed (SIGKILL) before and after every statement,
// and a run broken at every statement by every kind of fault that passes by itself. Minutes.

const files = ['test/matrix/killed.test.ts', 'test/matrix/each-statement.test.ts'];
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--reporter=verbose', ...files],
  { cwd: root, env: { ...process.env, CRASHES: 'all' }, stdio: 'inherit' },
);
process.exitCode = status ?? 1;
