import { sql } from 'kysely';
import { audit } from '../../src/audit/audit.ts';
import { setClock, stopwatch } from '../../src/db/clock.ts';
import { whole } from '../../src/demo/random.ts';
import { Fault } from '../../src/kernel/faults.ts';
import { later, minuteMs, secondMs } from '../../src/kernel/instant.ts';
import { compared } from '../nodes/compared.ts';
import { until } from '../service/until.ts';
import { runOf } from '../shop.ts';
import { backUp, type Event, hand } from './events.ts';
import { Watch } from './watch.ts';
import { openWorld, startNode, type World } from './world.ts';

// Random events on three nodes. From time to time, and at the end, the play rests: every node is up,
// nothing happens any more, and each node must come to equal the books by itself.

export interface Played {
  readonly events: number;
  readonly refused: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly rests: number;
  /** How often somebody's access was judged. */
  readonly judged: number;
  readonly seconds: number;
  readonly wrong: readonly string[];
}

export interface Play {
  readonly events: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
}

const restEvery = 1_000;
const wrongMax = 20;

export async function play({ events, seed, say = () => undefined }: Play): Promise<Played> {
  const elapsedMs = stopwatch();
  await using world = await openWorld(seed);
  const watch = new Watch(world);
  const counts: Record<string, number> = {};
  let [done, refused, rests] = [0, 0, 0];
  while (done < events && watch.wrong.length < wrongMax) {
    for (const [name, event] of dealt(world).slice(0, events - done)) {
      done += 1;
      counts[name] = (counts[name] ?? 0) + 1;
      if (!(await happens(world, watch, event))) refused += 1;
      await watch.look(`event ${done} (${name})`);
      if (done % 100 === 0) for (const which of world.nodes) which.backup = backUp(which);
      if (done % restEvery === 0 || done === events) {
        rests += 1;
        watch.wrong.push(...(await atRest(world, watch, done)));
        say(`${done} of ${events} events, ${Math.round(elapsedMs() / secondMs)} s`);
      }
    }
  }
  // Time went on while nodes were told, by days on a busy machine: what ended meanwhile is ended.
  await runOf(world.books, 'fast-expiry-cleanup');
  const { checks } = await audit(world.books.db);
  const broken = checks.filter((each) => each.violations > 0n);
  const wrong = [...watch.wrong, ...broken.map(({ id }) => `the audit: ${id}`)];
  const seconds = Math.round(elapsedMs() / secondMs);
  return { events: done, refused, counts, rests, judged: watch.judged, seconds, wrong };
}

/** A shuffled hand: each kind comes as often as it should, in any order. */
function dealt({ random }: World): (readonly [string, Event])[] {
  const cards = Object.entries(hand).flatMap(([name, [count, event]]) =>
    Array.from({ length: count }, () => [name, event] as const),
  );
  for (let last = cards.length - 1; last > 0; last -= 1) {
    const other = whole(random, last + 1);
    [cards[last], cards[other]] = [cards[other], cards[last]] as [
      (typeof cards)[0],
      (typeof cards)[0],
    ];
  }
  return cards;
}

/** @returns false: it was refused, which is an answer too */
async function happens(world: World, watch: Watch, event: Event): Promise<boolean> {
  try {
    await event(world, watch);
    return true;
  } catch (error) {
    if (error instanceof Fault && error.kind === 'permanent') return false;
    throw error;
  }
}

/** @returns how nodes and books differ although everything was told */
async function atRest(world: World, watch: Watch, done: number): Promise<string[]> {
  for (const which of world.nodes) if (!which.node.up()) await startNode(world, which);
  for (const which of world.nodes) which.misconduct.length = 0;
  await toldAll(world);
  // Users of a restored backup are found by comparing, and go by their marks. No other node may
  // need that.
  const unsure = world.nodes.filter(({ life }) => life.unsure).map(({ id }) => id);
  const wrong = await differing(world, unsure);
  for (const { life } of world.nodes) life.unsure = false;
  await toldAll(world);
  await watch.look('at rest');
  wrong.push(...(await differing(world, [])));
  return wrong.map((each) => `at rest after ${done} events: ${each}`);
}

/** How nodes differ from the books, but for those that may. What differs is marked by this. */
async function differing({ books }: World, excused: readonly string[]): Promise<string[]> {
  const { ends } = await compared(books, { asked: 'all' });
  return ends.flatMap((end) => {
    if (end.end !== 'compared') return [`${end.node} was not compared`];
    if (excused.includes(end.node)) return [];
    const kinds = Object.entries(end.found.kinds).filter(([, count]) => count > 0);
    return kinds.map(([kind, count]) => `${end.node}: ${kind} ${count}`);
  });
}

/**
 * Waits until every node was filled in its present life and has no mark left. What is put off waits
 * for the books' time, which goes on meanwhile, faster and faster.
 */
async function toldAll(world: World): Promise<void> {
  let stepMs = secondMs;
  await until(
    'every node was told everything',
    async () => {
      world.now = later(world.now, stepMs);
      await setClock(world.books.db, world.now);
      stepMs = Math.min(10 * minuteMs, stepMs * 1.1);
      const { rows } = await sql<{ id: string; boot: number | null }>`
        SELECT n.id, n.boot_at AS boot FROM perennial.node n
        WHERE n.seeded_boot_at = n.boot_at AND n.failures = 0
          AND NOT EXISTS (SELECT FROM perennial.access_sync m WHERE m.node_id = n.id)`.execute(
        world.books.db,
      );
      const told = world.nodes.filter(({ id, life }) =>
        rows.some((row) => row.id === id && row.boot !== life.bootBefore),
      );
      return told.length === world.nodes.length ? true : undefined;
    },
    // On a busy machine; it takes a few seconds.
    120_000,
  );
}
