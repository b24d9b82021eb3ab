import { sql } from 'kysely';
import { chance, someOf, whole } from '../../src/demo/random.ts';
import { minuteMs } from '../../src/kernel/instant.ts';
import { finishMarking } from '../../src/subscription/marking.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import { eachInFlight } from '../../src/xray/in-flight.ts';
import { compared } from '../nodes/compared.ts';
import { runOf } from '../shop.ts';
import { backUpBooks, restoreBooks } from './backup.ts';
import { anyOf } from './commands.ts';
import { apply, plans } from './file.ts';
import type { Watch } from './watch.ts';
import {
  credentialOf,
  keepersOf,
  mayDie,
  passes,
  startNode,
  type World,
  type WorldNode,
} from './world.ts';

// What befalls nodes, keepers and books, and what the operator does about it.

export type Happening = (world: World, watch: Watch) => Promise<void>;

/** Hours go by; the workers come round, in either order. */
const timePasses: Happening = async (world, watch) => {
  await passes(world, minuteMs * (1 + whole(world.random, 48 * 60)));
  const workers = ['fast-expiry-cleanup', 'auto-renewal'];
  for (const name of chance(world.random, 50) ? workers : workers.toReversed()) {
    await runOf(world.books, name, { replica: world.replica });
    await watch.look(name);
  }
  // Each node is due by now. Not each time, or nothing would ever be wrong for long.
  if (chance(world.random, 25)) await comparesNodes(world);
};

/** What a node had that lived all along is known now, or marked. */
async function comparesNodes(world: World, how: { asked?: string; confirmed?: boolean } = {}) {
  const { books, replica } = world;
  const lives = new Map(world.nodes.map(({ id, life }) => [id, life]));
  // Whoever is missing on a node that is being filled is left to its keeper, who goes on from where
  // the books have it: where they were restored, only the next comparison finds him.
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM perennial.node WHERE seeded_boot_at IS DISTINCT FROM boot_at`.execute(books.db);
  for (const { id } of rows) lives.delete(id);
  const { ends } = await compared(books, { ...how, replica });
  for (const { node, end } of ends) {
    const which = world.nodes.find(({ id }) => id === node);
    if (which !== undefined && end === 'compared' && lives.get(node) === which.life) {
      which.life.unsure = false;
    }
  }
}

/** Somebody looked at the names that the books don't know: they may go. */
export async function confirms(world: World, watch: Watch): Promise<void> {
  watch.confirmed();
  await comparesNodes(world, { asked: 'all', confirmed: true });
}

const kills: Happening = async (world) => {
  const which = anyOf(world, world.nodes);
  if (await mayDie(world, which)) which.node.die();
};

async function oneToStart(world: World): Promise<WorldNode | undefined> {
  const down = world.nodes.filter(({ node }) => !node.up());
  const which = anyOf(world, down.length > 0 ? down : world.nodes);
  return (await mayDie(world, which)) ? which : undefined;
}

const starts: Happening = async (world) => {
  const which = await oneToStart(world);
  if (which !== undefined) await startNode(world, which);
};

/** It comes with users of its own: those that it had some time ago. */
const startsFull: Happening = async (world) => {
  const which = await oneToStart(world);
  if (which === undefined || which.killers.size > 0) return;
  await startNode(world, which, { unsure: true });
  const api = connectNode({ api: which.node.api });
  const tags = world.file.nodes[which.id]?.inbounds ?? [];
  try {
    await eachInFlight(which.formerNames, 32, async (name) => {
      for (const tag of tags) await api.addUser(tag, { name, id: credentialOf(name), flow: '' });
    });
  } finally {
    api.close();
  }
};

/** Its next change is carried out, or not, and nobody hears of it. */
const loses: Happening = async (world) => {
  const which = anyOf(world, world.nodes);
  const how = someOf(world.random, ['die', 'die_after', 'lose_answer'] as const);
  if (which.node.up() && which.misconduct.length === 0) which.misconduct.push(how);
};

/** From now on a node dies of everybody who is added under somebody's name, and of nobody else. */
const plantsKiller: Happening = async (world) => {
  const which = anyOf(world, world.nodes);
  const { rows } = await sql<{ id: string; subscription: bigint }>`
    SELECT c.id, c.subscription_id AS subscription FROM perennial.credential c
    JOIN perennial.subscription s ON s.id = c.subscription_id
    JOIN perennial.plan p ON p.key = s.plan
    JOIN perennial.node n ON n.id = ${which.id} AND p.groups && n.groups
    WHERE c.retired_at IS NULL ORDER BY c.subscription_id`.execute(world.books.db);
  which.killers.clear();
  if (rows.length === 0) return;
  const { id, subscription } = anyOf(world, rows);
  which.killers.add(`perennial-${id}`);
  world.planted.add(`${which.id}/${subscription}`);
};

/** A process ends and another one begins; or loses its connection; or is told that it was replaced. */
const takesOver: Happening = async (world) => {
  const { books, keepers, random } = world;
  const at = whole(random, keepers.length);
  const how = whole(random, 3);
  if (how === 0) {
    await keepers[at]?.stop();
    keepers[at] = keepersOf(books);
  } else if (how === 1) {
    await sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'perennial keepers'
      ORDER BY backend_start LIMIT 1`.execute(books.db);
  } else {
    await sql`
      UPDATE perennial.node SET keeper_epoch = keeper_epoch + 1
      WHERE id = ${anyOf(world, world.nodes).id}`.execute(books.db);
  }
};

const groups: [string[], ...string[][]] = [['all'], ['fast'], ['all', 'fast']];

/** Another file is applied: a plan opens other groups, a node is in others or has other inbounds. */
const applies: Happening = async (world, watch) => {
  const { file, random, books } = world;
  const how = whole(random, 4);
  const several = world.nodes.filter(({ tags }) => tags.length > 1);
  const which = anyOf(world, how > 1 ? several : world.nodes);
  const listed = file.nodes[which.id];
  if (how === 0 || listed === undefined) file.plans[anyOf(world, plans)] = someOf(random, groups);
  else if (how === 1) listed.groups = someOf(random, groups);
  else {
    const some = which.tags.filter(() => chance(random, 60));
    const inbounds = some.length === 0 ? [anyOf(world, which.tags)] : some;
    // Names that the books don't know are looked for on a node's inbounds alone: those of one that
    // is dropped go before it.
    if (listed.inbounds.every((tag) => inbounds.includes(tag)) || watch.strangersOf(which) === 0) {
      listed.inbounds = inbounds;
    }
  }
  await apply(books.db, file);
  // Broken off: the next comparison's run finishes it.
  if (chance(random, 70)) await finishMarking(books.db);
};

/** The books of some time ago; then the comparisons that are due, as when a service starts. */
const restores: Happening = async (world, watch) => {
  await restoreBooks(world, watch);
  await comparesNodes(world);
};

/** How often each comes in a hand of 200. */
export const happenings: Readonly<Record<string, readonly [count: number, event: Happening]>> = {
  'time passes': [30, timePasses],
  'a node dies': [3, kills],
  'a node starts': [12, starts],
  'a node comes with old users': [1, startsFull],
  'a reply is lost': [4, loses],
  'a user kills a node': [1, plantsKiller],
  'a keeper is replaced': [6, takesOver],
  'a file is applied': [5, applies],
  'nodes are compared': [4, (world) => comparesNodes(world, { asked: 'all' })],
  'the books are backed up': [2, backUpBooks],
  'a backup is restored': [2, restores],
  'what is unknown is let go': [1, confirms],
};
