import { createProofProgram, parseCount, runProofTests } from '../program.ts';

// `npm run proof:access`: the access test of the suite with more events.
//
// The same seed gives the same events. Their order relative to calls in progress depends on the
// machine.

interface Options {
  readonly events: number;
  readonly seed?: number;
}

const { events, seed } = createProofProgram(
  'access',
  'Run random events on nodes and the database. Each node must reach the state of the database.',
)
  .option('--events <N>', 'run this number of events', parseCount, 20_000)
  .option('--seed <N>', 'repeat the events of this seed [random]', parseCount)
  .parse()
  .opts<Options>();

runProofTests(['test/proofs/access/access.test.ts'], { ACCESS_EVENTS: events, FC_SEED: seed });
