import { readFile } from 'node:fs/promises';
import { benchNow, buildDataset } from '../testbed/dataset.ts';
import { openBenchDatabases, withClient } from './databases.ts';
import {
  computeRate,
  measureVariant,
  measureVariants,
  toEngineVariant,
  toRow,
  type Variant,
} from './measure.ts';
import { renewingBot, runRowByRow } from './row-at-a-time.ts';
import type { Benchmark, Options, Row } from './table.ts';

// How fast auto-renewal is, against the fastest that PostgreSQL can do the same writes (one
// statement) and against how bots do it (row at a time): same schema, same book, durable settings.
// Variants take turns for some rounds, and medians count, since a machine's speed drifts. After
// each the books are audited, and have to be the same books.

const ceilingSql = await readFile(new URL('./ceiling.sql', import.meta.url), 'utf8');

/** Memory enough that nothing of the statement goes to disk. */
const ceiling: Variant = (url) =>
  withClient(url, async (client) => {
    await client.query("SET work_mem = '256MB'");
    const startedMs = performance.now();
    const { rows } = await client.query(ceilingSql, [new Date(benchNow)]);
    return { changed: Number(rows[0].renewed), ms: performance.now() - startedMs, cpuMs: 0 };
  });

/** A bot needs minutes for all: a slice is timed, and the engine does the rest untimed. */
const toBotVariant =
  (max: number, prepared: boolean): Variant =>
  (url) =>
    withClient(url, async (client) => {
      const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
      const changed = await runRowByRow(client, renewingBot, max, prepared);
      const { user, system } = process.cpuUsage(cpu);
      return { changed, ms: performance.now() - startedMs, cpuMs: (user + system) / 1_000 };
    });

async function renewal(options: Options): Promise<Row[]> {
  const { subscriptions, due, rounds, server, log } = options;
  const slice = Math.min(due, 5_000);
  await using databases = await openBenchDatabases(server);
  await databases.template('book', (client) => buildDataset(client, { subscriptions, due }));
  log(`built ${subscriptions} subscriptions, ${due} due`);
  const results = await measureVariants(
    rounds,
    {
      ceiling: () => measureVariant(databases, 'book', ceiling),
      'engine, 1 run': () => measureVariant(databases, 'book', toEngineVariant(1)),
      'engine, 2 runs': () => measureVariant(databases, 'book', toEngineVariant(2)),
      'row at a time': () => measureVariant(databases, 'book', toBotVariant(slice, false)),
      'row at a time, prepared': () => measureVariant(databases, 'book', toBotVariant(slice, true)),
    },
    log,
  );
  const [top, bottom] = [
    computeRate(results.get('ceiling')),
    computeRate(results.get('row at a time')),
  ];
  const rows = [...results].map(([variant, all]) =>
    toRow(variant, all, {
      to_ceiling: computeRate(all) / top,
      to_row_at_a_time: computeRate(all) / bottom,
    }),
  );
  // The engine's memory with a fifth of the work: it must not grow with what is due.
  const fifth = { subscriptions: Math.ceil(subscriptions / 5), due: Math.ceil(due / 5) };
  await databases.template('small', (client) => buildDataset(client, fifth));
  const { measured } = await measureVariant(databases, 'small', toEngineVariant(1));
  return [...rows, toRow(`engine, 1 run, ${fifth.due} due`, [measured], {})];
}

export const benchmark: Benchmark = {
  description: 'auto-renewal against one giant statement and against row at a time',
  run: renewal,
};
