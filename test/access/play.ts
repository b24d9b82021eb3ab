import { audit } from '../../src/audit/audit.ts';
import { whole } from '../../src/demo/random.ts';
import { Fault } from '../../src/kernel/faults.ts';
import { secondMs } from '../../src/kernel/instant.ts';
import { stopwatch } from '../../src/kernel/stopwatch.ts';
import { runOf } from '../shop.ts';
import { commands, opens } from './commands.ts';
import { type Happening, happenings } from './happenings.ts';
import { rest } from './rest.ts';
import { Watch } from './watch.ts';
import { openWorld, passes, type World } from './world.ts';

// Random events on three nodes; after each it is looked at who would be let in. From time to time,
// and at the end, the play rests.

export interface Played {
  readonly events: number;
  readonly refused: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly rests: number;
  /** How often somebody's access was judged. */
  readonly judged: number;
  /** The longest waits, in probes. */
  readonly longest: Watch['longest'];
  /** Users that the books had forgotten, and items that came into quarantine. */
  readonly strangers: number;
  readonly quarantined: number;
  readonly seconds: number;
  readonly wrong: readonly string[];
}

export interface Play {
  readonly events: number;
  readonly seed: number;
  readonly say?: (line: string) => void;
}

const hand: Readonly<Record<string, readonly [count: number, event: Happening]>> = {
  ...commands,
  ...happenings,
};

const restEvery = 1_000;
const sayEvery = 250;
const wrongMax = 20;
/** How far the books' clock goes with each event: what failed is due again some events later. */
const eventMs = 250;

export async function play({ events, seed, say = () => undefined }: Play): Promise<Played> {
  const elapsedMs = stopwatch();
  await using world = await openWorld(seed);
  const watch = new Watch(world);
  await opens(world);
  const counts: Record<string, number> = {};
  const seconds = () => Math.round(elapsedMs() / secondMs);
  let [done, refused, rests] = [0, 0, 0];
  while (done < events && watch.wrong.length < wrongMax) {
    for (const [name, event] of dealt(world).slice(0, events - done)) {
      done += 1;
      counts[name] = (counts[name] ?? 0) + 1;
      if (!(await happens(world, watch, event))) refused += 1;
      await passes(world, eventMs);
      await watch.look(`event ${done} (${name})`);
      if (done % 100 === 0) rememberNames(world);
      if (done % restEvery === 0 || done === events) {
        rests += 1;
        await rest(world, watch, done);
      }
      if (done % sayEvery === 0) {
        say(`${done} of ${events} events, ${watch.judged} checks, ${seconds()} s`);
      }
    }
  }
  // Time went on while nodes were told, by days: what ended meanwhile is ended.
  await runOf(world.books, 'fast-expiry-cleanup', { replica: world.replica });
  const { checks } = await audit(world.books.db);
  const broken = checks.filter((each) => each.violations > 0n);
  const wrong = [...watch.wrong, ...broken.map(({ id }) => `the audit: ${id}`)];
  const { judged, longest, seen } = watch;
  const [strangers, quarantined] = [seen.strangers.size, seen.aside.size];
  return {
    ...{ events: done, refused, counts, rests, judged, longest, strangers, quarantined },
    ...{ seconds: seconds(), wrong },
  };
}

/** Whom nodes have now, for one that comes with old users some time later. */
function rememberNames({ nodes }: World): void {
  for (const which of nodes) {
    if (!which.node.up()) continue;
    which.formerNames = [...new Set(which.tags.flatMap((tag) => which.node.names(tag)))];
  }
}

/** A shuffled hand: each kind comes as often as it should, in any order. */
function dealt({ random }: World): (readonly [string, Happening])[] {
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
async function happens(world: World, watch: Watch, event: Happening): Promise<boolean> {
  try {
    await event(world, watch);
    return true;
  } catch (error) {
    if (error instanceof Fault && error.kind === 'permanent') return false;
    throw error;
  }
}
