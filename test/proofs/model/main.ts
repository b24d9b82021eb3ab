import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';

// npm run proof:model -- [--sequences 20000] [--minutes 60] [--seed N]
//
// Runs the model test of the suite with more sequences, up to this number or time. Exit code 1 if
// the database once differed from the model.

const { values } = parseArgs({
  options: {
    sequences: { type: 'string', default: '20000' },
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string' },
  },
});

const vitest = spawn(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', 'test/proofs/model/model.test.ts'],
  {
    cwd: new URL('../../../', import.meta.url),
    stdio: 'inherit',
    env: {
      ...process.env,
      MODEL_SEQUENCES: values.sequences,
      MODEL_MINUTES: values.minutes,
      ...(values.seed === undefined ? {} : { FC_SEED: values.seed }),
    },
  },
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => vitest.kill(signal));
vitest.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
