import { readFile } from 'node:fs/promises';
import { benchNow, buildBook } from './book.ts';
import { engine, measure, rateOf, rowOf, takeTurns, type Variant } from './measure.ts';
import { openPlace, using } from './place.ts';
import { renewingBot, rowAtATime } from './row-at-a-time.ts';
import type { Benchmark, Options, Row } from './table.ts';

// How fast auto-renewal is, against the fastest that PostgreSQL can do the same writes (one
// statement) and against how bots do it (row at a time): same schema, same book, durable settings.
// Variants take turns for some rounds, and medians count, since a machine's speed drifts. After
// each the books are audited, and have to be the same books.

const ceilingSql = await readFile(new URL('./ceiling.sql', import.meta.url), 'utf8');

/** Memory enough that nothing of the statement goes to disk. */
const ceiling: Variant = (url) =>
  using(url, async (client) => {
    await client.query("SET work_mem = '256MB'");
    const startedMs = performance.now();
    const { rows } = await client.query(ceilingSql, [new Date(benchNow)]);
    return { changed: Number(rows[0].renewed), ms: performance.now() - startedMs, cpuMs: 0 };
  });

/** A bot needs minutes for all: a slice is timed, and the engine does the rest untimed. */
const bot =
  (max: number, prepared: boolean): Variant =>
  (url) =>
    using(url, async (client) => {
      const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
      const changed = await rowAtATime(client, renewingBot, max, prepared);
      const { user, system } = process.cpuUsage(cpu);
      return { changed, ms: performance.now() - startedMs, cpuMs: (user + system) / 1_000 };
    });

async function renewal(options: Options): Promise<Row[]> {
  const { subscriptions, due, rounds, server, say } = options;
  const slice = Math.min(due, 5_000);
  await using place = await openPlace(server);
  await place.template('book', (client) => buildBook(client, { subscriptions, due }));
  say(`built ${subscriptions} subscriptions, ${due} due`);
  const results = await takeTurns(
    rounds,
    {
      ceiling: () => measure(place, 'book', ceiling),
      'engine, 1 run': () => measure(place, 'book', engine(1)),
      'engine, 2 runs': () => measure(place, 'book', engine(2)),
      'row at a time': () => measure(place, 'book', bot(slice, false)),
      'row at a time, prepared': () => measure(place, 'book', bot(slice, true)),
    },
    say,
  );
  const [top, bottom] = [rateOf(results.get('ceiling')), rateOf(results.get('row at a time'))];
  const rows = [...results].map(([variant, all]) =>
    rowOf(variant, all, {
      to_ceiling: rateOf(all) / top,
      to_row_at_a_time: rateOf(all) / bottom,
    }),
  );
  // The engine's memory with a fifth of the work: it must not grow with what is due.
  const fifth = { subscriptions: Math.ceil(subscriptions / 5), due: Math.ceil(due / 5) };
  await place.template('small', (client) => buildBook(client, fifth));
  const { measured } = await measure(place, 'small', engine(1));
  return [...rows, rowOf(`engine, 1 run, ${fifth.due} due`, [measured], {})];
}

export const benchmark: Benchmark = {
  says: 'auto-renewal against one giant statement and against row at a time',
  run: renewal,
};
