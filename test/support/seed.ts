import { randomInt } from 'node:crypto';
import fc from 'fast-check';

// The seed of property tests, one per test file. `FC_SEED=<seed> npm test` repeats a run. Each
// property prints the seed, so that a run that passed can be repeated too.

const seed = Number(process.env.FC_SEED || randomInt(2 ** 31));

/** The seed for a test that draws without fast-check. */
export function readSeed(): number {
  return seed;
}

fc.configureGlobal({
  seed,
  reporter: (details) => {
    const draws = `${details.numRuns} draws, FC_SEED=${details.seed}`;
    process.stdout.write(`fast-check: ${draws}${details.failed ? ', failed' : ''}\n`);
    const message = fc.defaultReportMessage(details);
    if (message !== undefined) throw new Error(message, { cause: details.errorInstance });
  },
});
