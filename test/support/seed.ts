import { randomInt } from 'node:crypto';
import fc from 'fast-check';

// Property tests draw from one seed a test file; `FC_SEED=<seed> npm test` draws the same again. It
// is printed by each property, passed or failed, so that also a run that passed can be repeated.

const seed = Number(process.env.FC_SEED || randomInt(2 ** 31));

/** For a test that draws by itself. */
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
