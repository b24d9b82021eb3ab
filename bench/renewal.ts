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

// The rate of auto-renewal, against one statement with the same writes, and against row by row, as
// bots do it. One statement is the fastest that PostgreSQL can do. Schema, data and durable
// settings are the same. Variants take turns for some rounds, and medians count, because the speed
// of a machine drifts. After each variant the database is audited, and its fingerprint must be the
// same.

const ceilingSql = await readFile(new URL('./ceiling.sql', import.meta.url), 'utf8');

/** Enough memory that the statement writes nothing to disk. */
const ceiling: Variant = (url) =>
  withClient(url, async (client) => {
    await client.query("SET work_mem = '256MB'");
    const startedMs = performance.now();
    const { rows } = await client.query(ceilingSql, [new Date(benchNow)]);
    return { changed: Number(rows[0].renewed), ms: performance.now() - startedMs, cpuMs: 0 };
  });

/**
 * A bot needs minutes for all subscriptions. So a part is timed, and the engine does the rest
 * untimed.
 */
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
  await databases.template('dataset', (client) => buildDataset(client, { subscriptions, due }));
  log(`built ${subscriptions} subscriptions, ${due} due`);
  const results = await measureVariants(
    rounds,
    {
      ceiling: () => measureVariant(databases, 'dataset', ceiling),
      'engine, 1 run': () => measureVariant(databases, 'dataset', toEngineVariant(1)),
      'engine, 2 runs': () => measureVariant(databases, 'dataset', toEngineVariant(2)),
      'row at a time': () => measureVariant(databases, 'dataset', toBotVariant(slice, false)),
      'row at a time, prepared': () =>
        measureVariant(databases, 'dataset', toBotVariant(slice, true)),
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
  // The memory of the engine with a fifth of the work. It must not grow with the number of due
  // rows.
  const fifth = { subscriptions: Math.ceil(subscriptions / 5), due: Math.ceil(due / 5) };
  await databases.template('small', (client) => buildDataset(client, fifth));
  const { measured } = await measureVariant(databases, 'small', toEngineVariant(1));
  return [...rows, toRow(`engine, 1 run, ${fifth.due} due`, [measured], {})];
}

export const benchmark: Benchmark = {
  description: 'auto-renewal against one giant statement and against row at a time',
  run: renewal,
};
