import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'kysely';
import { stopwatch } from '../../src/db/clock.ts';
import { type Random, randomOf, whole } from '../../src/demo/random.ts';
import { type Instant, instant } from '../../src/kernel/instant.ts';
import { type Keepers, startKeepers } from '../../src/workers/keep-node/keepers.ts';
import type { Conduct } from '../../src/xray/embedded/node.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import type { ListedUser } from '../../src/xray/port.ts';
import type { Books } from '../books.ts';
import { type ANode, aNode, quiet, shopOn } from '../nodes/kept.ts';
import { until } from '../service/until.ts';

// Three nodes that die and come back, two processes' keepers on them, and books whose clock is
// stored: time passes when the play says so.

/** One life of a node: from a start to its death. */
export interface Life {
  readonly ageMs: () => number;
  /** What the books had as its start before this life; as long as they do, it wasn't noticed yet. */
  readonly bootBefore: Instant | null;
  /** It came with users of its own (a restored backup): what it has is known after a comparison. */
  unsure: boolean;
}

export interface WorldNode {
  readonly id: string;
  readonly node: ANode;
  life: Life;
  /** What becomes of the next calls that change a user. */
  readonly misconduct: Conduct[];
  /** Whom it had some time ago. */
  backup: readonly Pick<ListedUser, 'name'>[];
}

export interface World extends AsyncDisposable {
  readonly books: Books;
  readonly nodes: readonly WorldNode[];
  readonly random: Random;
  readonly keepers: Keepers[];
  readonly customers: bigint[];
  /** Whom the last command was about: things happen to one customer in a row. */
  lately: bigint | undefined;
  now: Instant;
}

/** A second start within a second of the first can't be told by the uptime: docs/architecture.md. */
const lifeMinMs = 1_500;

export function keepersOf(books: Books): Keepers {
  const paces = { probeMs: 100, pollMs: 100, silentMs: 3_000, steadyMs: 300 };
  return startKeepers({ ...books, connect: connectNode, log: quiet, ...paces });
}

/** The way to a node and back: long enough for rights to change while calls are under way. */
const latencyMaxMs = 200;

async function worldNode(id: string, random: Random): Promise<WorldNode> {
  const node = await aNode();
  const misconduct: Conduct[] = [];
  node.conduct = async ({ method }) => {
    await pause(whole(random, latencyMaxMs));
    return method === 'AlterInbound' ? (misconduct.shift() ?? 'serve') : 'serve';
  };
  const life = { ageMs: stopwatch(), bootBefore: null, unsure: false };
  return { id, node, life, misconduct, backup: [] };
}

export async function openWorld(seed: number): Promise<World> {
  const now = instant(Date.parse('2026-11-24T09:00:00Z'));
  const nodes = await Promise.all(
    // Draws of their own: when a call comes by is up to the machine.
    ['n1', 'n2', 'fast'].map((id, at) => worldNode(id, randomOf(seed + at + 1))),
  );
  const books = await shopOn(Object.fromEntries(nodes.map(({ id, node }) => [id, node])), { now });
  await sql`UPDATE perennial.node SET groups = '{fast}' WHERE id = 'fast'`.execute(books.db);
  const keepers = [keepersOf(books), keepersOf(books)];
  return {
    ...{ books, nodes, keepers, now, customers: [], lately: undefined, random: randomOf(seed) },
    async [Symbol.asyncDispose]() {
      await Promise.all(keepers.map((each) => each.stop()));
      for (const { node } of nodes) node.stop();
      await books.close();
    },
  };
}

async function bootOf({ db }: Books, id: string): Promise<Instant | null> {
  const { rows } = await sql<{ boot: Instant | null }>`
    SELECT boot_at AS boot FROM perennial.node WHERE id = ${id}`.execute(db);
  return rows[0]?.boot ?? null;
}

export async function killNode({ node, life }: WorldNode): Promise<void> {
  await until('a life that is long enough to be told from the next one', () =>
    life.ageMs() > lifeMinMs ? true : undefined,
  );
  node.die();
}

export async function startNode(
  { books }: World,
  which: WorldNode,
  { unsure = false } = {},
): Promise<void> {
  if (which.node.up()) await killNode(which);
  const bootBefore = await bootOf(books, which.id);
  which.misconduct.length = 0;
  await which.node.restart();
  which.life = { ageMs: stopwatch(), bootBefore, unsure };
}
