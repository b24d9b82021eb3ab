import { randomInt } from 'node:crypto';
import fc from 'fast-check';

// Property tests draw from one seed a test file. It is printed with a failure by fast-check, and
// here in any case: `FC_SEED=<seed> npm test` draws the same again.

const seed = Number(process.env.FC_SEED || randomInt(2 ** 31));
fc.configureGlobal({ seed, verbose: fc.VerbosityLevel.Verbose });

/** Told by each property test file, so that a run that passed can be repeated too. */
export function seedInUse(): number {
  return seed;
}
