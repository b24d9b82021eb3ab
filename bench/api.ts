import type pg from 'pg';
import { buildDataset } from '../testbed/dataset.ts';
import type { LoadOrder, LoadReport } from './api-load-run.ts';
import { type Child, startChild } from './child.ts';
import { readServerCpuNowMs } from './cpu.ts';
import { type BenchDatabases, openBenchDatabases, withClient } from './databases.ts';
import { runEngine } from './engine.ts';
import { auditDatabase } from './fingerprint.ts';
import { type Benchmark, median, type Options, type Row } from './table.ts';

// The speed of the API, in three parts:
//
// 1. The highest rate of two routes, compared with a bare Fastify server on the same database
//    (`api-bare-run.ts`). Both servers are measured in turn.
// 2. Response times of mixed requests at a fixed rate, alone and during auto-renewal.
// 3. The cost of this load for the renewals.
//
// The load has a separate process, because it shares the machine with the server.

const usualSize = { perSecond: 500, durationMs: 30_000, closedMs: 5_000 } as const;
const smallSize = { perSecond: 50, durationMs: 2_000, closedMs: 300 } as const;

/** Requests in progress: of a closed loop, and at most with a fixed rate. */
const closedConnections = 16;
const openConnections = 256;

interface ApiServer {
  readonly child: Child;
  readonly address: string;
  readonly token: string;
}

async function startServer(name: 'api' | 'api-bare', url: string): Promise<ApiServer> {
  const child = await startChild(name, { args: [url] });
  return { child, ...(await child.receive<{ address: string; token: string }>()) };
}

type Load = Pick<LoadOrder, 'kind' | 'customers' | 'durationMs'> & { readonly perSecond?: number };

interface MeasuredLoad extends LoadReport {
  /** Processor time of the server of the API and of PostgreSQL. */
  readonly serverCpuMs: number;
}

async function measureLoad(
  client: pg.Client,
  generator: Child,
  { child, address, token }: ApiServer,
  load: Load,
): Promise<MeasuredLoad> {
  const connections = load.perSecond === undefined ? closedConnections : openConnections;
  const order: LoadOrder = { ...load, address, token, connections };
  const readCpuMs = async () =>
    (await child.request<number>('cpu')) + (await readServerCpuNowMs(client));
  const before = await readCpuMs();
  const report = await generator.request<LoadReport>(order);
  return { ...report, serverCpuMs: (await readCpuMs()) - before };
}

const toRate = ({ count, ms }: LoadReport): number => (count * 1_000) / ms;

const toRow = (variant: string, load: MeasuredLoad): Row => ({
  variant,
  rate: Math.round(toRate(load)),
  p50_ms: load.p50Ms,
  p99_ms: load.p99Ms,
  errors: load.errors.length,
  server_cpu_us: Math.round((load.serverCpuMs * 1_000) / load.count),
  load_cpu_us: Math.round((load.cpuMs * 1_000) / load.count),
  /** Of one processor. */
  load_cpu_percent: Math.round((load.cpuMs * 100) / load.ms),
});

/** The kinds of requests to the bare server with which a route is compared. */
const comparisons = [
  { kind: 'customer', bareKinds: ['row', 'customer'] },
  { kind: 'top-up', bareKinds: ['top-up'] },
] as const;

const bareNames = {
  row: 'customer, bare: one row',
  customer: 'customer, bare: the same statement',
  'top-up': 'top-up, bare: the same statements',
} as const;

/** Three nodes, so that a customer has links. */
const nodesSql = `
  INSERT INTO perennial.node (id, api, inbounds, groups, link)
  SELECT 'nl-' || n, '127.0.0.1:' || n, '{vless}', '{all}', '{"host": "nl.example", "port": 443}'
  FROM generate_series(1, 3) n; ANALYZE`;

/** Part 1. */
async function compareRoutes(
  databases: BenchDatabases,
  generator: Child,
  customers: number,
  { small, rounds, log }: Options,
): Promise<Row[]> {
  const url = await databases.copy('dataset', 'measured', nodesSql);
  const rows = await withClient(url, async (client) => {
    const [bare, api] = [await startServer('api-bare', url), await startServer('api', url)];
    const { closedMs: durationMs } = small ? smallSize : usualSize;
    const compared: Row[] = [];
    for (const { kind, bareKinds } of comparisons) {
      const variants = [
        ...bareKinds.map((bareKind) => ({
          server: bare,
          name: bareNames[bareKind],
          kind: bareKind,
        })),
        { server: api, name: `${kind}, API`, kind },
      ];
      const loads: MeasuredLoad[][] = variants.map(() => []);
      // The first round fills the caches of both servers, and does not count.
      for (let round = 0; round <= rounds; round += 1) {
        for (const [at, { server, kind: of }] of variants.entries()) {
          const load = await measureLoad(client, generator, server, {
            kind: of,
            customers,
            durationMs,
          });
          if (round > 0) loads[at]?.push(load);
        }
      }
      const medians = loads.map(toMedian);
      const apiLoad = medians.at(-1) as MeasuredLoad;
      for (const [at, { server, name }] of variants.entries()) {
        const load = medians[at] as MeasuredLoad;
        const ratios = server === api ? {} : { api_to_this: toRate(apiLoad) / toRate(load) };
        compared.push({ ...toRow(name, load), ...ratios });
        log(`${name}: ${Math.round(toRate(load))}/s`);
        logErrors(log, load.errors);
      }
    }
    await bare.child[Symbol.asyncDispose]();
    await api.child[Symbol.asyncDispose]();
    return compared;
  });
  await databases.drop('measured');
  return rows;
}

/** The load with the median rate. */
function toMedian(loads: readonly MeasuredLoad[]): MeasuredLoad {
  const middle = median(loads.map(toRate));
  const distance = (load: MeasuredLoad) => Math.abs(toRate(load) - middle);
  return loads.toSorted((one, other) => distance(one) - distance(other))[0] as MeasuredLoad;
}

function logErrors(log: Options['log'], errors: readonly string[]): void {
  if (errors.length > 0) log(errors.slice(0, 3).join('\n'));
}

async function api(options: Options): Promise<Row[]> {
  const { subscriptions, due, small, server, log } = options;
  const { perSecond, durationMs } = small ? smallSize : usualSize;
  await using databases = await openBenchDatabases(server);
  await databases.template('dataset', (client) => buildDataset(client, { subscriptions, due }));
  log(`built ${subscriptions} subscriptions, ${due} due`);
  const customers = await withClient(databases.url('dataset'), async (client) =>
    Number((await client.query('SELECT count(*) FROM perennial.customer')).rows[0].count),
  );
  await using generator = await startChild('api-load');
  const rows = await compareRoutes(databases, generator, customers, options);
  const work = { worker: 'auto-renewal' };

  const alone = await runEngine(await databases.copy('dataset', 'measured'), 1, work);
  const aloneRate = (countChanged(alone.reports) * 1_000) / alone.ms;
  rows.push({ variant: 'renewals alone', rate: Math.round(aloneRate) });
  await databases.drop('measured');
  log(`renewals alone: ${Math.round(aloneRate)}/s`);

  for (const withRenewals of [false, true]) {
    const url = await databases.copy('dataset', 'measured');
    const running = await startServer('api', url);
    const [load, engine] = await withClient(url, (client) =>
      Promise.all([
        measureLoad(client, generator, running, {
          kind: 'mixed',
          customers,
          perSecond,
          durationMs,
        }),
        withRenewals ? runEngine(url, 1, work) : undefined,
      ]),
    );
    await running.child[Symbol.asyncDispose]();
    const variant = withRenewals ? 'mixed while renewals run' : 'mixed';
    rows.push(toRow(variant, load));
    log(`${variant}: p50 ${load.p50Ms.toFixed(1)} ms, p99 ${load.p99Ms.toFixed(1)} ms`);
    logErrors(log, load.errors);
    if (engine !== undefined) {
      const rate = (countChanged(engine.reports) * 1_000) / engine.ms;
      rows.push({
        variant: 'renewals under that load',
        rate: Math.round(rate),
        to_alone: rate / aloneRate,
      });
      await withClient(url, (client) => auditDatabase(client, url));
      log(`renewals under that load: ${Math.round(rate)}/s; audit passed`);
    }
    await databases.drop('measured');
  }
  return rows;
}

const countChanged = (reports: readonly { readonly changed: number }[]): number =>
  reports.reduce((all, { changed }) => all + changed, 0);

export const benchmark: Benchmark = {
  description: 'routes against a bare server; 500 requests a second, also while renewals run',
  run: api,
};
