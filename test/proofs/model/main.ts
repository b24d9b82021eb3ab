import { createProofProgram, parseCount, runProofTests } from '../program.ts';

// `npm run proof:model`: the model test of the suite with more sequences.

interface Options {
  readonly sequences: number;
  readonly minutes: number;
  readonly seed?: number;
}

const { sequences, minutes, seed } = createProofProgram(
  'model',
  'Run random sequences of commands against a model and the database, until one differs.',
)
  .option('--sequences <N>', 'run this number of sequences', parseCount, 20_000)
  .option('--minutes <N>', 'stop after this time', parseCount, 60)
  .option('--seed <N>', 'repeat the run of this seed [random]', parseCount)
  .parse()
  .opts<Options>();

runProofTests(['test/proofs/model/model.test.ts'], {
  MODEL_SEQUENCES: sequences,
  MODEL_MINUTES: minutes,
  FC_SEED: seed,
});
