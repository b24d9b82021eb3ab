import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'kysely';
import { dayMs, type Instant, later } from '../../src/kernel/instant.ts';
import { stopwatch } from '../../src/kernel/stopwatch.ts';
import { finishMarking } from '../../src/subscription/marking.ts';
import { compared } from '../nodes/compared.ts';
import { confirms } from './happenings.ts';
import type { Watch } from './watch.ts';
import { passes, pollStepMs, startNodeSoon, type World } from './world.ts';

// The play rests: every node is up and serves, nothing happens any more, and each node must come to
// equal the books by itself; but for names that the books don't know, which must still be there
// until they are let go.

/** The clock after a rest, whatever the machine: the same seed gives the same events. */
const restMs = 5 * dayMs;

export async function rest(world: World, watch: Watch, done: number): Promise<void> {
  const after = `at rest after ${done} events`;
  const overAt = later(world.now, restMs);
  for (const which of world.nodes) {
    which.killers.clear();
    which.misconduct.length = 0;
    if (!which.node.up()) await startNodeSoon(world, which);
  }
  await finishMarking(world.books.db);
  await toldAll(world, watch, after);
  world.planted.clear();
  await equal(world, watch, after);
  for (const { life } of world.nodes) life.unsure = false;
  await toldAll(world, watch, after);
  await equal(world, watch, after);
  if (world.nodes.some((which) => watch.strangersOf(which) > 0)) {
    await confirms(world, watch);
    await toldAll(world, watch, after);
    await equal(world, watch, after);
    for (const which of world.nodes) {
      const left = watch.strangersOf(which);
      if (left > 0) watch.wrong.push(`${after}: ${which.id} has ${left} users that were let go`);
    }
  }
  world.now = world.now > overAt ? world.now : overAt;
  await passes(world, 0);
}

/**
 * Whether nodes are as the books say, by our own look and by the program's comparison. The latter
 * may find more where only a comparison can know; what it finds is marked by it.
 */
async function equal(world: World, watch: Watch, after: string): Promise<void> {
  await watch.look(after);
  const { ends } = await compared(world.books, { asked: 'all', replica: world.replica });
  for (const which of world.nodes) {
    const end = ends.find(({ node }) => node === which.id);
    if (end?.end !== 'compared') {
      watch.wrong.push(`${after}: ${which.id} was not compared`);
      continue;
    }
    const { unknown, ...others } = end.found.kinds;
    const strangers = watch.strangersOf(which);
    if (unknown !== strangers) {
      watch.wrong.push(`${after}: ${which.id} has ${strangers} unknown users; ${unknown} are told`);
    }
    if (which.life.unsure) continue;
    for (const [kind, count] of Object.entries(others)) {
      if (count > 0) watch.wrong.push(`${after}: ${which.id}: ${kind} ${count}`);
    }
  }
}

/** Nothing is left to be told after so long on a machine that still works; it takes a few seconds. */
const deadlineMs = 120_000;
const pollMs = 5;
/** How often it is looked at who waits, among the looks at whether anybody does. */
const watchEvery = 20;

/** Waits until every node was filled in its present life and has no mark left; or anything is wrong. */
async function toldAll(world: World, watch: Watch, after: string): Promise<void> {
  const elapsedMs = stopwatch();
  for (let polls = 1; watch.wrong.length === 0; polls += 1) {
    await passes(world, pollStepMs);
    if (polls % watchEvery === 0) {
      await watch.look(after);
      // Who killed nodes is tried again a day later at most, and is well now. He may be put aside
      // only now: the next probe after a death tells.
      if (world.planted.size > 0) await passes(world, dayMs);
    }
    if (await areTold(world)) return;
    if (elapsedMs() > deadlineMs) watch.wrong.push(`${after}: left is ${await whatIsLeft(world)}`);
    await pause(pollMs);
  }
}

async function whatIsLeft({ books, nodes }: World): Promise<string> {
  const { rows } = await sql`
    SELECT n.id, n.boot_at, n.seeded_boot_at, n.failures, n.last_error, perennial.clock() AS now,
      array(SELECT to_jsonb(m) FROM perennial.access_sync m WHERE m.node_id = n.id LIMIT 3) AS marks,
      array(SELECT to_jsonb(x) FROM perennial.stray x WHERE x.node_id = n.id LIMIT 3) AS strays,
      array(SELECT to_jsonb(o) FROM perennial.marking o WHERE o.node_id = n.id) AS orders
    FROM perennial.node n ORDER BY n.id`.execute(books.db);
  return JSON.stringify([rows, nodes.map(({ node, life }) => [node.up(), life])]);
}

async function areTold({ books, nodes }: World): Promise<boolean> {
  const { rows } = await sql<{ id: string; boot: Instant | null }>`
    SELECT n.id, n.boot_at AS boot FROM perennial.node n
    WHERE n.seeded_boot_at = n.boot_at AND n.failures = 0
      AND NOT EXISTS (SELECT FROM perennial.access_sync m WHERE m.node_id = n.id)
      AND NOT EXISTS (SELECT FROM perennial.marking o WHERE o.node_id = n.id)
      AND NOT EXISTS (SELECT FROM perennial.stray x WHERE x.node_id = n.id)`.execute(books.db);
  return nodes.every(({ id, life }) =>
    rows.some((row) => row.id === id && row.boot !== life.bootBefore),
  );
}
