import type pg from 'pg';
import { buildDataset } from '../testbed/dataset.ts';
import { findXray, readVersion } from '../testbed/real-xray.ts';
import { until } from '../testbed/until.ts';
import { type Child, startChild } from './child.ts';
import { type BenchDatabases, openBenchDatabases, openClient } from './databases.ts';
import type { KeepersReport } from './keepers-run.ts';
import type { SenderReport, SendOrder } from './sender-run.ts';
import { type Benchmark, median, type Options, type Row } from './table.ts';

// The rate of seeding a node after a new boot, with marks and results, from the detection until no
// mark is left. It is compared with the same calls one at a time, and with the fastest number in
// flight, by a process that only sends. Two embedded nodes, one for the keeper and one for the
// others, run in a separate process, near and distant. Real nodes follow if the machine has Xray.

const usersMax = 40_000;
const tags = ['vless-a', 'vless-b'] as const;
const inFlight = [16, 32, 64, 128, 256, 512] as const;

interface ReseedSetup {
  readonly users: number;
  readonly calls: number;
  readonly nodes: Child;
  readonly keepers: Child;
  readonly sender: Child;
  readonly client: pg.Client;
}

interface FillResult {
  readonly ms: number;
  readonly cpuMs: number;
  readonly peakMb?: number;
}

const [keeperNode, senderNode] = [0, 1];

interface NodeLocation {
  readonly name: string;
  readonly nodes: 'nodes' | 'xray';
  readonly roundTripMs: number;
}

function listLocations(log: (line: string) => void): NodeLocation[] {
  const embedded: NodeLocation[] = [0, 50].map((roundTripMs) => ({
    ...{ name: `${roundTripMs} ms`, nodes: 'nodes', roundTripMs },
  }));
  const found = findXray();
  if ('path' in found) {
    return [
      ...embedded,
      { name: `Xray ${readVersion(found.path)}`, nodes: 'xray', roundTripMs: 0 },
    ];
  }
  log(found.missing);
  return embedded;
}

async function requireAllUsers({ nodes, users }: ReseedSetup, node: number): Promise<void> {
  const counts = await nodes.request<number[]>(`users ${node}`);
  if (counts.some((count) => count !== users)) {
    throw new Error(`the node has ${counts.join(' and ')} users, not ${users}`);
  }
}

/** A trigger records the start of each seeding, because a small one ends between two polls. */
const recordFillingsSql = `CREATE TABLE public.filling (at timestamptz DEFAULT clock_timestamp());
  CREATE FUNCTION public.record_filling() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO public.filling DEFAULT VALUES; RETURN NULL; END';
  CREATE TRIGGER record_filling AFTER UPDATE ON perennial.node FOR EACH ROW
    WHEN (OLD.seeded_boot_at IS NOT NULL AND NEW.seeded_boot_at IS NULL)
    EXECUTE FUNCTION public.record_filling()`;
const filledSql = `SELECT FROM perennial.node WHERE seeded_boot_at = boot_at
  AND NOT EXISTS (SELECT FROM perennial.access_sync)`;
const fillingSql = `SELECT extract(epoch FROM clock_timestamp() - min(at))::float8 * 1000 AS ms
  FROM public.filling HAVING min(at) IS NOT NULL AND EXISTS (${filledSql})`;

/** The first row of `question`. @throws Error after five minutes without a row */
const untilRow = <Row extends pg.QueryResultRow>(client: pg.Client, sql: string) =>
  until(sql, async () => (await client.query<Row>(sql)).rows[0], 300_000);

async function fillByKeeper(scene: ReseedSetup): Promise<FillResult> {
  const { client, keepers, nodes } = scene;
  await client.query('VACUUM perennial.access_sync, perennial.node');
  await client.query('TRUNCATE public.filling');
  const before = await keepers.request<KeepersReport>('usage');
  await nodes.request(`restart ${keeperNode}`);
  const { ms } = await untilRow<{ ms: number }>(client, fillingSql);
  const { cpuMs, peakMb } = await keepers.request<KeepersReport>('usage');
  await requireAllUsers(scene, keeperNode);
  return { ms, cpuMs: cpuMs - before.cpuMs, peakMb };
}

async function fillBySender(scene: ReseedSetup, order: SendOrder): Promise<FillResult> {
  const { nodes, sender, calls } = scene;
  await nodes.request(`restart ${senderNode}`);
  const took = await sender.request<SenderReport>(JSON.stringify(order));
  if (order[0] === calls) await requireAllUsers(scene, senderNode);
  return took;
}

/** Finds the best number in flight on parts of the users. All users are sent only with the best. */
async function findBestConcurrency(scene: ReseedSetup, { small, log }: Options): Promise<number> {
  const rates: [number, number][] = [];
  for (const concurrency of small ? inFlight.slice(0, 1) : inFlight) {
    const slice = Math.min(scene.calls, Math.max(4_000, concurrency * 20));
    const { ms } = await fillBySender(scene, [slice, concurrency]);
    rates.push([(slice * 1_000) / ms, concurrency]);
  }
  const best = rates.toSorted(([a], [b]) => b - a)[0]?.[1] ?? 0;
  const rateTexts = rates
    .map(([rate, concurrency]) => `${concurrency}: ${Math.round(rate)}/s`)
    .join(', ');
  log(`bare sender, in flight ${rateTexts}`);
  return best;
}

async function measureLocation(
  scene: ReseedSetup,
  location: NodeLocation,
  options: Options,
): Promise<Row[]> {
  const { rounds, log } = options;
  const { roundTripMs, name: locationName } = location;
  const best = await findBestConcurrency(scene, options);
  const serialCalls = Math.min(scene.calls, roundTripMs === 0 ? 4_000 : 200);
  const methods = {
    keeper: { calls: scene.calls, go: () => fillByKeeper(scene) },
    sender: { calls: scene.calls, go: () => fillBySender(scene, [scene.calls, best]) },
    serial: { calls: serialCalls, go: () => fillBySender(scene, [serialCalls, 1]) },
  };
  type Method = keyof typeof methods;
  const all: Record<Method, FillResult[]> = { keeper: [], sender: [], serial: [] };
  const rates = (method: Method): number[] =>
    all[method].map(({ ms }) => (methods[method].calls * 1_000) / ms);
  for (let round = 1; round <= rounds; round += 1) {
    for (const method of Object.keys(methods) as Method[]) {
      all[method].push(await methods[method].go());
      log(`${locationName}, round ${round}, ${method}: ${Math.round(rates(method).at(-1) ?? 0)}/s`);
    }
  }
  const rowOf = (name: string, method: Method): Row => ({
    variant: `${name}, ${locationName}`,
    rate: Math.round(median(rates(method))),
    to_bare_sender: median(rates(method)) / median(rates('sender')),
    to_one_at_a_time: median(rates(method)) / median(rates('serial')),
    seconds: median(all[method].map(({ ms }) => ms)) / 1_000,
    cpu_us_per_call: median(
      all[method].map(({ cpuMs }) => (cpuMs * 1_000) / methods[method].calls),
    ),
    ...(method === 'keeper'
      ? { peak_mb: median(all.keeper.map(({ peakMb }) => peakMb ?? 0)) }
      : {}),
  });
  return [
    rowOf('keeper', 'keeper'),
    rowOf(`bare sender, ${best} in flight`, 'sender'),
    rowOf(`one call at a time, ${serialCalls} of them`, 'serial'),
  ];
}

async function measureAt(
  databases: BenchDatabases,
  location: NodeLocation,
  options: Options,
): Promise<Row[]> {
  const { roundTripMs } = location;
  const users = Math.min(usersMax, options.due);
  await using nodes = await startChild(location.nodes, { args: ['2', ...tags] });
  const near = await nodes.receive<string[]>();
  await using distance = await startChild('distance', { args: [`${roundTripMs}`, ...near] });
  const far = await distance.receive<string[]>();
  const [keeperApi, senderApi] = roundTripMs === 0 ? near : far;
  const url = await databases.copy(
    'dataset',
    'measured',
    `INSERT INTO perennial.node (id, api, inbounds, groups, link)
     VALUES ('nl-1', '${keeperApi}', '{${tags.join(',')}}', '{all}', '{"host": "n.example", "port": 443}')`,
  );
  const client = await openClient(url);
  try {
    await using sender = await startChild('sender', { args: [url, senderApi ?? '', ...tags] });
    await sender.receive();
    await using keepers = await startChild('keepers', { args: [url] });
    await keepers.receive();
    // The keeper is then warmed up, like the sender after its search.
    await untilRow(client, filledSql);
    await client.query(recordFillingsSql);
    const scene = { users, calls: users * tags.length, nodes, keepers, sender, client };
    return await measureLocation(scene, location, options);
  } finally {
    await client.end();
    await databases.drop('measured');
  }
}

async function reseed(options: Options): Promise<Row[]> {
  await using databases = await openBenchDatabases(options.server);
  const size = { subscriptions: Math.min(usersMax, options.due), due: 0, ending: true };
  await databases.template('dataset', (client) => buildDataset(client, size));
  const rows: Row[] = [];
  for (const location of listLocations(options.log))
    rows.push(...(await measureAt(databases, location, options)));
  return rows;
}

export const benchmark: Benchmark = {
  description: `a node of ${usersMax} users (or --due, if less) seeded again, nearby and 50 ms away`,
  run: reseed,
};
