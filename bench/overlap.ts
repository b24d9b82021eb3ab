import { buildBook } from './book.ts';
import { engine, measure, rateOf, rowOf, takeTurns } from './measure.ts';
import { openPlace } from './place.ts';
import type { Benchmark, Options, Row } from './table.ts';

// What it costs that periods can't overlap: the trigger of the schema, an exclusion constraint that
// promises the same, and no guard at all, each under the engine's own run.

const noGuard = 'DROP TRIGGER period_no_overlap ON perennial.period';

const exclusion = `
  ${noGuard};
  CREATE EXTENSION btree_gist;
  ALTER TABLE perennial.period ADD CONSTRAINT period_no_overlap
    EXCLUDE USING gist (subscription_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
    WHERE (refunded_at IS NULL)`;

async function overlap(options: Options): Promise<Row[]> {
  const { subscriptions, due, rounds, server, say } = options;
  await using place = await openPlace(server);
  await place.template('book', (client) => buildBook(client, { subscriptions, due }));
  const results = await takeTurns(
    rounds,
    {
      'no guard': () => measure(place, 'book', engine(1), { prepare: noGuard }),
      trigger: () => measure(place, 'book', engine(1)),
      'exclusion constraint': () => measure(place, 'book', engine(1), { prepare: exclusion }),
    },
    say,
  );
  const unguarded = rateOf(results.get('no guard'));
  return [...results].map(([variant, all]) =>
    rowOf(variant, all, { to_no_guard: rateOf(all) / unguarded }),
  );
}

export const benchmark: Benchmark = {
  says: 'what the guard against overlapping periods costs a renewal, against an exclusion constraint',
  run: overlap,
};
