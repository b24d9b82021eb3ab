import { createProofProgram, runProofTests } from '../program.ts';

// `npm run proof:crashes`: the crash tests of the suite at each statement instead of some.

const { test } = createProofProgram(
  'crashes',
  'Crash a run and each command at each statement, and fail each statement by each transient fault. It takes minutes.',
)
  .option('--test <TEXT>', 'run only the tests with this text in their title [all]')
  .parse()
  .opts<{ readonly test?: string }>();

runProofTests(
  ['test/proofs/crashes/killed.test.ts', 'test/proofs/crashes/each-statement.test.ts'],
  { CRASHES: 'all' },
  ['--reporter=verbose', ...(test === undefined ? [] : ['-t', test])],
);
