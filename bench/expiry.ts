import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { benchNow, buildDataset } from '../testbed/dataset.ts';
import { openBenchDatabases, withClient } from './databases.ts';
import type { Work } from './engine.ts';
import { createExpiryBot } from './expiry-bot.ts';
import {
  computeRate,
  measureVariant,
  measureVariants,
  toEngineVariant,
  toRow,
  type Variant,
} from './measure.ts';
import { runRowByRow } from './row-at-a-time.ts';
import type { Benchmark, Options, Row } from './table.ts';

// The rate of expiry, against one statement with all the same writes, and against row by row, like
// `renewal`. The blast guard is active. A tenth is due, as much as the guard allows. A larger share
// is confirmed.

/** Each expiry writes a mark for both nodes. */
const nodes = ['nl-1', 'de-1'] as const;

async function build(client: pg.Client, subscriptions: number, due: number): Promise<void> {
  await buildDataset(client, { subscriptions, due, ending: true });
  for (const [at, node] of nodes.entries()) {
    await client.query(
      `INSERT INTO perennial.node (id, api, inbounds, groups, link)
       VALUES ($1, $2, '{vless}', '{all}', '{"host": "node.example.net", "port": 443}')`,
      [node, `10.0.0.${at + 2}:10085`],
    );
  }
}

const ceilingSql = await readFile(new URL('./expiry-ceiling.sql', import.meta.url), 'utf8');

/** Enough memory that the statement writes nothing to disk. */
const ceiling: Variant = (url) =>
  withClient(url, async (client) => {
    await client.query("SET work_mem = '256MB'");
    const startedMs = performance.now();
    const { rows } = await client.query(ceilingSql, [new Date(benchNow)]);
    return { changed: Number(rows[0].ended), ms: performance.now() - startedMs, cpuMs: 0 };
  });

const toBotVariant =
  (max: number): Variant =>
  (url) =>
    withClient(url, async (client) => {
      const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
      const changed = await runRowByRow(client, createExpiryBot(nodes), max, false);
      const { user, system } = process.cpuUsage(cpu);
      return { changed, ms: performance.now() - startedMs, cpuMs: (user + system) / 1_000 };
    });

async function expiry({ subscriptions, due, rounds, server, log }: Options): Promise<Row[]> {
  const work: Work = { worker: 'fast-expiry-cleanup', confirmed: due > subscriptions / 10 };
  await using databases = await openBenchDatabases(server);
  await databases.template('dataset', (client) => build(client, subscriptions, due));
  log(`built ${subscriptions} subscriptions, ${due} ended, ${nodes.length} nodes`);
  const results = await measureVariants(
    rounds,
    {
      ceiling: () => measureVariant(databases, 'dataset', ceiling, { work }),
      'engine, 1 run': () =>
        measureVariant(databases, 'dataset', toEngineVariant(1, work), { work }),
      'row at a time': () =>
        measureVariant(databases, 'dataset', toBotVariant(Math.min(due, 5_000)), { work }),
    },
    log,
  );
  const [top, bottom] = [
    computeRate(results.get('ceiling')),
    computeRate(results.get('row at a time')),
  ];
  return [...results].map(([variant, all]) =>
    toRow(
      variant,
      all,
      { to_ceiling: computeRate(all) / top, to_row_at_a_time: computeRate(all) / bottom },
      'ending',
    ),
  );
}

export const benchmark: Benchmark = {
  description:
    'fast-expiry-cleanup against one statement and against row at a time, with two nodes',
  run: expiry,
};
