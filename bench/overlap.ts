import { buildDataset } from '../testbed/dataset.ts';
import { openBenchDatabases } from './databases.ts';
import { computeRate, measureVariant, measureVariants, toEngineVariant, toRow } from './measure.ts';
import type { Benchmark, Options, Row } from './table.ts';

// The cost of the overlap guard under a run of the engine. Variants are the trigger of the schema,
// an exclusion constraint with the same guarantee, and no guard.

const noGuard = 'DROP TRIGGER period_no_overlap ON perennial.period';

const exclusion = `
  ${noGuard};
  CREATE EXTENSION btree_gist;
  ALTER TABLE perennial.period ADD CONSTRAINT period_no_overlap
    EXCLUDE USING gist (subscription_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
    WHERE (refunded_at IS NULL)`;

async function overlap(options: Options): Promise<Row[]> {
  const { subscriptions, due, rounds, server, log } = options;
  await using databases = await openBenchDatabases(server);
  await databases.template('dataset', (client) => buildDataset(client, { subscriptions, due }));
  const results = await measureVariants(
    rounds,
    {
      'no guard': () =>
        measureVariant(databases, 'dataset', toEngineVariant(1), { prepare: noGuard }),
      trigger: () => measureVariant(databases, 'dataset', toEngineVariant(1)),
      'exclusion constraint': () =>
        measureVariant(databases, 'dataset', toEngineVariant(1), { prepare: exclusion }),
    },
    log,
  );
  const unguarded = computeRate(results.get('no guard'));
  return [...results].map(([variant, all]) =>
    toRow(variant, all, { to_no_guard: computeRate(all) / unguarded }),
  );
}

export const benchmark: Benchmark = {
  description: 'the cost of the overlap guard per renewal, against an exclusion constraint',
  run: overlap,
};
