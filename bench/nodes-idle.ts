import { setTimeout as pause } from 'node:timers/promises';
import { type Child, startChild } from './child.ts';
import { serverCpuNowMs } from './cpu.ts';
import type { KeepersReport } from './keepers-run.ts';
import { openPlace, type Place, using } from './place.ts';
import type { Benchmark, Options, Row } from './table.ts';

// What keepers cost that have nothing to do but to see that their nodes live: statements, pages and
// processor time a second, for each node. It must be the same with 1 node and with 200. What a
// process with keepers costs without any node is measured first, and taken off.

const usualCounts = [0, 1, 200] as const;
const smallCounts = [0, 1, 3] as const;
/** Statistics arrive up to a second late, and processor time is counted in hundredths. */
const usualSeconds = 15;
const settleMs = 5_000;

interface Idle {
  readonly statements: number;
  readonly buffers: number;
  readonly serverCpuMs: number;
  readonly keepersCpuMs: number;
}

async function soFar(place: Place, keepers: Child): Promise<Idle> {
  // From another database, so that our own asking isn't counted.
  return await using(place.url('postgres'), async (client) => {
    const { rows } = await client.query(`
      SELECT (xact_commit + xact_rollback)::int AS statements, (blks_hit + blks_read)::int AS buffers
      FROM pg_stat_database WHERE datname = 'measured'`);
    const { cpuMs } = await keepers.ask<KeepersReport>('usage');
    return { ...rows[0], serverCpuMs: await serverCpuNowMs(client), keepersCpuMs: cpuMs };
  });
}

/** A second of `nodes` nodes that are kept and have nothing to be told. */
async function measure(
  place: Place,
  apis: readonly string[],
  { seconds, pauseMs }: { readonly seconds: number; readonly pauseMs: number },
): Promise<Idle> {
  const adding = apis.map(
    (api, at) => `INSERT INTO perennial.node (id, api, inbounds, groups, link)
      VALUES ('node-${at}', '${api}', '{vless}', '{all}', '{"host": "n.example", "port": 443}');`,
  );
  const url = await place.copy('empty', 'measured', adding.join(''));
  try {
    await using keepers = await startChild('keepers', { args: [url] });
    await keepers.told();
    await using(url, async (books) => {
      for (;;) {
        const { rows } = await books.query(
          'SELECT FROM perennial.node WHERE seeded_boot_at IS DISTINCT FROM boot_at OR boot_at IS NULL',
        );
        if (rows.length === 0) break;
        await pause(100);
      }
    });
    await pause(pauseMs); // The statistics then include the cost of the start.
    const before = await soFar(place, keepers);
    const begunMs = performance.now();
    await pause(seconds * 1_000);
    const after = await soFar(place, keepers);
    const tookS = (performance.now() - begunMs) / 1_000;
    const rate = (what: keyof Idle): number => (after[what] - before[what]) / tookS;
    return {
      statements: rate('statements'),
      buffers: rate('buffers'),
      serverCpuMs: rate('serverCpuMs'),
      keepersCpuMs: rate('keepersCpuMs'),
    };
  } finally {
    await place.drop('measured');
  }
}

async function nodesIdle({ rounds, small, server, say }: Options): Promise<Row[]> {
  const counts = small ? smallCounts : usualCounts;
  const lasts = small
    ? { seconds: 1, pauseMs: 0 }
    : { seconds: rounds * usualSeconds, pauseMs: settleMs };
  await using place = await openPlace(server);
  await place.template('empty', async (client) => void (await client.query('VACUUM ANALYZE')));
  await using nodes = await startChild('nodes', { args: [`${Math.max(...counts)}`, 'vless'] });
  const apis = await nodes.told<string[]>();
  const rows: Row[] = [];
  let none: Idle | undefined;
  for (const count of counts) {
    const idle = await measure(place, apis.slice(0, count), lasts);
    say(`${count} nodes: ${Math.round(idle.statements)} statements a second`);
    none ??= idle;
    const base = none;
    const each = (what: keyof Idle): number | undefined =>
      count === 0 ? undefined : (idle[what] - base[what]) / count;
    rows.push({
      variant: `${count} ${count === 1 ? 'node' : 'nodes'}`,
      statements: idle.statements,
      cpu_ms: idle.serverCpuMs + idle.keepersCpuMs,
      statements_each: each('statements'),
      buffers_each: each('buffers'),
      server_cpu_ms_each: each('serverCpuMs'),
      keepers_cpu_ms_each: each('keepersCpuMs'),
    });
  }
  return rows;
}

export const benchmark: Benchmark = {
  says: 'what a second of a node with nothing to do costs, with 1 node and with 200',
  run: nodesIdle,
};
