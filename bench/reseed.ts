import type pg from 'pg';
import { until } from '../test/service/until.ts';
import { findXray, versionOf } from '../test/xray/real-xray.ts';
import { buildBook } from './book.ts';
import { type Child, startChild } from './child.ts';
import type { KeepersReport } from './keepers-run.ts';
import { connect, openPlace, type Place } from './place.ts';
import type { Order, SenderReport } from './sender-run.ts';
import { type Benchmark, median, type Options, type Row } from './table.ts';

// How fast a node that has forgotten everybody is filled again: from when its keeper has found that
// out until no mark is left and the books say that it is seeded, so with marking, and with writing
// down what was done. Against the same calls one at a time, and against as many in flight as go
// fastest, by a process that does nothing else. Two embedded nodes, one for the keeper and one for
// the others, in a process of their own, near by and far away; and real ones, if there is an Xray.

const usersMax = 40_000;
const tags = ['vless-a', 'vless-b'] as const;
const inFlight = [16, 32, 64, 128, 256, 512] as const;

interface Scene {
  readonly users: number;
  readonly calls: number;
  readonly nodes: Child;
  readonly keepers: Child;
  readonly sender: Child;
  readonly books: pg.Client;
}

interface Took {
  readonly ms: number;
  readonly cpuMs: number;
  readonly peakMb?: number;
}

const [ofKeeper, ofSender] = [0, 1];

interface Where {
  readonly name: string;
  readonly nodes: 'nodes' | 'xray';
  readonly roundTripMs: number;
}

function wheres(say: (line: string) => void): Where[] {
  const embedded: Where[] = [0, 50].map((roundTripMs) => ({
    ...{ name: `${roundTripMs} ms`, nodes: 'nodes', roundTripMs },
  }));
  const found = findXray();
  if ('path' in found) {
    return [...embedded, { name: `Xray ${versionOf(found.path)}`, nodes: 'xray', roundTripMs: 0 }];
  }
  say(found.missing);
  return embedded;
}

async function refuseShort({ nodes, users }: Scene, node: number): Promise<void> {
  const held = await nodes.ask<number[]>(`users ${node}`);
  if (held.some((count) => count !== users)) {
    throw new Error(`the node has ${held.join(' and ')} users, not ${users}`);
  }
}

/** A trigger records the start of each filling: a small one ends between two polls. */
const recordFillings = `CREATE TABLE public.filling (at timestamptz DEFAULT clock_timestamp());
  CREATE FUNCTION public.record_filling() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO public.filling DEFAULT VALUES; RETURN NULL; END';
  CREATE TRIGGER record_filling AFTER UPDATE ON perennial.node FOR EACH ROW
    WHEN (OLD.seeded_boot_at IS NOT NULL AND NEW.seeded_boot_at IS NULL)
    EXECUTE FUNCTION public.record_filling()`;
const filled = `SELECT FROM perennial.node WHERE seeded_boot_at = boot_at
  AND NOT EXISTS (SELECT FROM perennial.access_sync)`;
const filling = `SELECT extract(epoch FROM clock_timestamp() - min(at))::float8 * 1000 AS ms
  FROM public.filling HAVING min(at) IS NOT NULL AND EXISTS (${filled})`;

/** The first row of `question`. @throws after five minutes without a row */
const untilRow = <Row extends pg.QueryResultRow>(books: pg.Client, question: string) =>
  until(question, async () => (await books.query<Row>(question)).rows[0], 300_000);

async function fillByKeeper(scene: Scene): Promise<Took> {
  const { books, keepers, nodes } = scene;
  await books.query('VACUUM perennial.access_sync, perennial.node');
  await books.query('TRUNCATE public.filling');
  const before = await keepers.ask<KeepersReport>('usage');
  await nodes.ask(`restart ${ofKeeper}`);
  const { ms } = await untilRow<{ ms: number }>(books, filling);
  const { cpuMs, peakMb } = await keepers.ask<KeepersReport>('usage');
  await refuseShort(scene, ofKeeper);
  return { ms, cpuMs: cpuMs - before.cpuMs, peakMb };
}

async function fillBySender(scene: Scene, order: Order): Promise<Took> {
  const { nodes, sender, calls } = scene;
  await nodes.ask(`restart ${ofSender}`);
  const took = await sender.ask<SenderReport>(JSON.stringify(order));
  if (order[0] === calls) await refuseShort(scene, ofSender);
  return took;
}

/** By slices: the whole is sent with the best alone. */
async function bestInFlight(scene: Scene, { small, say }: Options): Promise<number> {
  const rates: [number, number][] = [];
  for (const many of small ? inFlight.slice(0, 1) : inFlight) {
    const slice = Math.min(scene.calls, Math.max(4_000, many * 20));
    const { ms } = await fillBySender(scene, [slice, many]);
    rates.push([(slice * 1_000) / ms, many]);
  }
  const best = rates.toSorted(([a], [b]) => b - a)[0]?.[1] ?? 0;
  const told = rates.map(([rate, many]) => `${many}: ${Math.round(rate)}/s`).join(', ');
  say(`bare sender, in flight ${told}`);
  return best;
}

async function measure(scene: Scene, where: Where, options: Options): Promise<Row[]> {
  const { rounds, say } = options;
  const { roundTripMs, name: place } = where;
  const best = await bestInFlight(scene, options);
  const few = Math.min(scene.calls, roundTripMs === 0 ? 4_000 : 200);
  const ways = {
    keeper: { calls: scene.calls, go: () => fillByKeeper(scene) },
    sender: { calls: scene.calls, go: () => fillBySender(scene, [scene.calls, best]) },
    serial: { calls: few, go: () => fillBySender(scene, [few, 1]) },
  };
  type Way = keyof typeof ways;
  const all: Record<Way, Took[]> = { keeper: [], sender: [], serial: [] };
  const rates = (way: Way): number[] => all[way].map(({ ms }) => (ways[way].calls * 1_000) / ms);
  for (let round = 1; round <= rounds; round += 1) {
    for (const way of Object.keys(ways) as Way[]) {
      all[way].push(await ways[way].go());
      say(`${place}, round ${round}, ${way}: ${Math.round(rates(way).at(-1) ?? 0)}/s`);
    }
  }
  const rowOf = (name: string, way: Way): Row => ({
    variant: `${name}, ${place}`,
    rate: Math.round(median(rates(way))),
    to_bare_sender: median(rates(way)) / median(rates('sender')),
    to_one_at_a_time: median(rates(way)) / median(rates('serial')),
    seconds: median(all[way].map(({ ms }) => ms)) / 1_000,
    cpu_us_per_call: median(all[way].map(({ cpuMs }) => (cpuMs * 1_000) / ways[way].calls)),
    ...(way === 'keeper' ? { peak_mb: median(all.keeper.map(({ peakMb }) => peakMb ?? 0)) } : {}),
  });
  return [
    rowOf('keeper', 'keeper'),
    rowOf(`bare sender, ${best} in flight`, 'sender'),
    rowOf(`one call at a time, ${few} of them`, 'serial'),
  ];
}

async function at(place: Place, where: Where, options: Options): Promise<Row[]> {
  const { roundTripMs } = where;
  const users = Math.min(usersMax, options.due);
  await using nodes = await startChild(where.nodes, { args: ['2', ...tags] });
  const near = await nodes.told<string[]>();
  await using distance = await startChild('distance', { args: [`${roundTripMs}`, ...near] });
  const far = await distance.told<string[]>();
  const [kept, sent] = roundTripMs === 0 ? near : far;
  const url = await place.copy(
    'book',
    'measured',
    `INSERT INTO perennial.node (id, api, inbounds, groups, link)
     VALUES ('nl-1', '${kept}', '{${tags.join(',')}}', '{all}', '{"host": "n.example", "port": 443}')`,
  );
  const books = await connect(url);
  try {
    await using sender = await startChild('sender', { args: [url, sent ?? '', ...tags] });
    await sender.told();
    await using keepers = await startChild('keepers', { args: [url] });
    await keepers.told();
    // The keeper is warm afterwards, like the sender after its search.
    await untilRow(books, filled);
    await books.query(recordFillings);
    const scene = { users, calls: users * tags.length, nodes, keepers, sender, books };
    return await measure(scene, where, options);
  } finally {
    await books.end();
    await place.drop('measured');
  }
}

async function reseed(options: Options): Promise<Row[]> {
  await using place = await openPlace(options.server);
  const size = { subscriptions: Math.min(usersMax, options.due), due: 0, ending: true };
  await place.template('book', (client) => buildBook(client, size));
  const rows: Row[] = [];
  for (const where of wheres(options.say)) rows.push(...(await at(place, where, options)));
  return rows;
}

export const benchmark: Benchmark = {
  says: `a node of ${usersMax} users (or --due, if less) filled again, near by and 50 ms away`,
  run: reseed,
};
