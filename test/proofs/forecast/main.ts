import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';

// npm run proof:forecast -- [--databases 10000] [--seed N]
//
// The test of the suite with more random shops. Exit code 1 if a forecast once differed from what
// the workers then did.

const { values } = parseArgs({
  options: { databases: { type: 'string', default: '10000' }, seed: { type: 'string' } },
});

for (const [name, value] of Object.entries(values)) {
  if (/^[1-9]\d{0,9}$/.test(value)) continue;
  process.stderr.write(`--${name}: must be a whole number from 1 to 9999999999, not "${value}"\n`);
  process.exit(2);
}

const vitest = spawn(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', 'test/proofs/forecast/forecast.test.ts'],
  {
    cwd: new URL('../../../', import.meta.url),
    stdio: 'inherit',
    env: {
      ...process.env,
      FORECAST_DATABASES: values.databases,
      ...(values.seed === undefined ? {} : { FC_SEED: values.seed }),
    },
  },
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => vitest.kill(signal));
vitest.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
