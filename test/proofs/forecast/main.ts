import { createProofProgram, parseCount, runProofTests } from '../program.ts';

// `npm run proof:forecast`: the forecast test of the suite with more random shops.

interface Options {
  readonly databases: number;
  readonly seed?: number;
}

const { databases, seed } = createProofProgram(
  'forecast',
  'Forecast random shops, and drive the workers. They must do what the forecast states.',
)
  .option('--databases <N>', 'forecast this number of shops', parseCount, 10_000)
  .option('--seed <N>', 'repeat the shops of this seed [random]', parseCount)
  .parse()
  .opts<Options>();

runProofTests(['test/proofs/forecast/forecast.test.ts'], {
  FORECAST_DATABASES: databases,
  FC_SEED: seed,
});
