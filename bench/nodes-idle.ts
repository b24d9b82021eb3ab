import { setTimeout as pause } from 'node:timers/promises';
import { type Child, startChild } from './child.ts';
import { readServerCpuNowMs } from './cpu.ts';
import { type BenchDatabases, openBenchDatabases, withClient } from './databases.ts';
import type { KeepersReport } from './keepers-run.ts';
import type { Benchmark, Options, Row } from './table.ts';

// The cost of idle keepers: statements, pages and processor time per second and node. It must be
// equal for 1 node and for 200. The cost of a process with keepers and without nodes is measured
// first and subtracted.

const usualCounts = [0, 1, 200] as const;
const smallCounts = [0, 1, 3] as const;
/** Statistics arrive up to a second late, and processor time has a resolution of 10 ms. */
const usualSeconds = 15;
const settleMs = 5_000;

interface IdleCost {
  readonly statements: number;
  readonly buffers: number;
  readonly serverCpuMs: number;
  readonly keepersCpuMs: number;
}

async function readTotals(databases: BenchDatabases, keepers: Child): Promise<IdleCost> {
  // Uses another database, so that these queries do not count.
  return await withClient(databases.url('postgres'), async (client) => {
    const { rows } = await client.query(`
      SELECT (xact_commit + xact_rollback)::int AS statements, (blks_hit + blks_read)::int AS buffers
      FROM pg_stat_database WHERE datname = 'measured'`);
    const { cpuMs } = await keepers.request<KeepersReport>('usage');
    return { ...rows[0], serverCpuMs: await readServerCpuNowMs(client), keepersCpuMs: cpuMs };
  });
}

/** The cost per second of `nodes` kept nodes without pending marks. */
async function measure(
  databases: BenchDatabases,
  apis: readonly string[],
  { seconds, pauseMs }: { readonly seconds: number; readonly pauseMs: number },
): Promise<IdleCost> {
  const insertNodes = apis.map(
    (api, at) => `INSERT INTO perennial.node (id, api, inbounds, groups, link)
      VALUES ('node-${at}', '${api}', '{vless}', '{all}', '{"host": "n.example", "port": 443}');`,
  );
  const url = await databases.copy('empty', 'measured', insertNodes.join(''));
  try {
    await using keepers = await startChild('keepers', { args: [url] });
    await keepers.receive();
    await withClient(url, async (client) => {
      for (;;) {
        const { rows } = await client.query(
          'SELECT FROM perennial.node WHERE seeded_boot_at IS DISTINCT FROM boot_at OR boot_at IS NULL',
        );
        if (rows.length === 0) break;
        await pause(100);
      }
    });
    await pause(pauseMs); // The statistics then include the cost of the start.
    const before = await readTotals(databases, keepers);
    const startedMs = performance.now();
    await pause(seconds * 1_000);
    const after = await readTotals(databases, keepers);
    const tookS = (performance.now() - startedMs) / 1_000;
    const rate = (key: keyof IdleCost): number => (after[key] - before[key]) / tookS;
    return {
      statements: rate('statements'),
      buffers: rate('buffers'),
      serverCpuMs: rate('serverCpuMs'),
      keepersCpuMs: rate('keepersCpuMs'),
    };
  } finally {
    await databases.drop('measured');
  }
}

async function nodesIdle({ rounds, small, server, log }: Options): Promise<Row[]> {
  const counts = small ? smallCounts : usualCounts;
  const duration = small
    ? { seconds: 1, pauseMs: 0 }
    : { seconds: rounds * usualSeconds, pauseMs: settleMs };
  await using databases = await openBenchDatabases(server);
  await databases.template('empty', async (client) => void (await client.query('VACUUM ANALYZE')));
  await using nodes = await startChild('nodes', { args: [`${Math.max(...counts)}`, 'vless'] });
  const apis = await nodes.receive<string[]>();
  const rows: Row[] = [];
  let withoutNodes: IdleCost | undefined;
  for (const count of counts) {
    const idle = await measure(databases, apis.slice(0, count), duration);
    log(`${count} nodes: ${Math.round(idle.statements)} statements a second`);
    withoutNodes ??= idle;
    const base = withoutNodes;
    const each = (key: keyof IdleCost): number | undefined =>
      count === 0 ? undefined : (idle[key] - base[key]) / count;
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
  description: 'the cost per second of a node without work, with 1 node and with 200',
  run: nodesIdle,
};
