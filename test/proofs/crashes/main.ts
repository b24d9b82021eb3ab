import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../../support/repository.ts';

// `npm run proof:crashes -- [--test TEXT]`
//
// Crashes a run and each command before and after every statement, and breaks a run at every
// statement by every transient fault. It takes minutes. `--test` selects tests by their title.

const { values } = parseArgs({ options: { test: { type: 'string' } } });
const selected = values.test === undefined ? [] : ['-t', values.test];
const files = ['test/proofs/crashes/killed.test.ts', 'test/proofs/crashes/each-statement.test.ts'];
const { status } = spawnSync(
  process.execPath,
  [
    ...[join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--reporter=verbose'],
    ...selected,
    ...files,
  ],
  { cwd: root, env: { ...process.env, CRASHES: 'all' }, stdio: 'inherit' },
);
process.exitCode = status ?? 1;
