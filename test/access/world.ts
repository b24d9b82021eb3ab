import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'kysely';
import { setClock } from '../../src/db/clock.ts';
import type { Db } from '../../src/db/connect.ts';
import { type Random, randomOf, whole } from '../../src/demo/random.ts';
import type { CredentialId } from '../../src/kernel/ids.ts';
import { type Instant, instant, later } from '../../src/kernel/instant.ts';
import { stopwatch } from '../../src/kernel/stopwatch.ts';
import { type Keepers, startKeepers } from '../../src/workers/keep-node/keepers.ts';
import { openReplica, type Replica } from '../../src/workers/replica.ts';
import type { CallSeen, Conduct } from '../../src/xray/embedded/node.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import { readUserName } from '../../src/xray/names.ts';
import type { UserProtocol } from '../../src/xray/port.ts';
import { type Books, freshBooks } from '../books.ts';
import { type ANode, aNode, quiet } from '../nodes/kept.ts';
import { until } from '../service/until.ts';
import { apply, type OperatorsFile } from './file.ts';

// Three nodes that die and come back, two processes' keepers on them, and books whose clock is
// stored: time passes when the play says so.

/** One life of a node: from a start to its death. */
export interface Life {
  readonly ageMs: () => number;
  /** What the books had as its start before this life; as long as they do, it wasn't noticed yet. */
  readonly bootBefore: Instant | null;
  /**
   * The books can't know whom it has, but by comparing: it came with users of its own, or the books
   * are older than what it was told.
   */
  unsure: boolean;
}

export interface WorldNode {
  readonly id: string;
  readonly node: ANode;
  /** Its inbounds, each with its protocol; those of the file are some of them. */
  readonly tags: readonly string[];
  life: Life;
  /** What becomes of the next calls that change a user. */
  readonly misconduct: Conduct[];
  /** Names whose every add ends its life. */
  readonly killers: Set<string>;
  /** How often it told a keeper that it lives: time as keepers spend it, whatever else goes on. */
  probes: number;
  /** Whom it had some time ago. */
  formerNames: readonly string[];
}

export interface World extends AsyncDisposable {
  readonly books: Books;
  readonly replica: Replica;
  readonly nodes: readonly WorldNode[];
  readonly file: OperatorsFile;
  readonly random: Random;
  readonly keepers: Keepers[];
  readonly customers: bigint[];
  /** Items of keep-node's quarantine that a killer may bring there. */
  readonly planted: Set<string>;
  /** How many backups of the books there are. */
  backups: number;
  /** Whom the last command was about: things happen to one customer in a row. */
  lately: bigint | undefined;
  now: Instant;
}

/**
 * From one start to the next: later by more than the jitter that keepers allow (2 s), told in whole
 * seconds. An earlier one may be taken for the same life, and rightly so where nobody is missing by it;
 * but here each life is to have a start of its own in the books.
 */
export const lifeMinMs = 3_500;

export const probeMs = 100;

export function keepersOf(books: Books): Keepers {
  const paces = { probeMs, pollMs: 100, silentMs: 3_000, steadyMs: 300 };
  return startKeepers({ ...books, connect: connectNode, log: quiet, ...paces });
}

/** The way to a node and back: long enough for rights to change while calls are under way. */
const latencyMaxMs = 200;

const inbounds: Readonly<Record<string, Readonly<Record<string, UserProtocol>>>> = {
  n1: { vless: 'vless' },
  n2: { vless: 'vless', trojan: 'trojan' },
  fast: { vmess: 'vmess', vless: 'vless' },
};

async function worldNode(id: string, random: Random): Promise<WorldNode> {
  const kinds = Object.entries(inbounds[id] ?? {});
  const node = await aNode(kinds.map(([tag, protocol]) => ({ tag, protocol })));
  const life = { ageMs: stopwatch(), bootBefore: null, unsure: false };
  const which: WorldNode = {
    ...{ id, node, life, misconduct: [], killers: new Set(), probes: 0, formerNames: [] },
    tags: kinds.map(([tag]) => tag),
  };
  node.conduct = async ({ method }) => {
    if (method === 'GetSysStats') which.probes += 1;
    else if (method === 'AlterInbound') await pause(whole(random, latencyMaxMs));
    return 'serve' as const;
  };
  return which;
}

/**
 * From now on its calls may go wrong. Who is suspected goes with nothing else under way: were the node
 * to die by chance just then, he would be taken for killed by, and rightly so for all that a keeper
 * can know. So chance strikes when nobody is; and a killer, who may come from a keeper that is just
 * being replaced, when no suspect is under way.
 */
function misbehave(db: Db, which: WorldNode): void {
  const serve = which.node.conduct;
  const underWay: string[] = [];
  const conduct = async ({ method, adds, name }: CallSeen): Promise<Conduct> => {
    if (adds && which.killers.has(name)) {
      await until('no suspect is under way', async () => {
        const suspected = await suspects(db, which);
        return underWay.some((each) => suspected.has(each)) ? undefined : true;
      });
      // He may have been cured meanwhile.
      if (which.killers.has(name)) return 'die';
    }
    const [next] = method === 'AlterInbound' ? which.misconduct : [];
    if (next === undefined) return 'serve';
    if (next !== 'lose_answer' && (await suspects(db, which)).size > 0) return 'serve';
    return which.misconduct.shift() ?? 'serve';
  };
  which.node.conduct = async (call) => {
    underWay.push(call.name);
    try {
      await serve(call);
      return await conduct(call);
    } finally {
      underWay.splice(underWay.indexOf(call.name), 1);
    }
  };
}

/** Whose add ended with the node's life, by name; but for killers. */
export async function suspects(db: Db, { id, killers }: WorldNode): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ name: string }>`
    SELECT 'perennial-' || credential_id AS name FROM perennial.access_sync
    WHERE node_id = ${id} AND lost > 0`.execute(db);
  return new Set(rows.map(({ name }) => name).filter((name) => !killers.has(name)));
}

export async function openWorld(seed: number): Promise<World> {
  const now = instant(Date.parse('2026-11-24T09:00:00Z'));
  const nodes = await Promise.all(
    // Draws of their own: when a call comes by is up to the machine.
    Object.keys(inbounds).map((id, at) => worldNode(id, randomOf(seed + at + 1))),
  );
  const books = await freshBooks({ now });
  const file: OperatorsFile = {
    plans: { basic: ['all'], plus: ['all', 'fast'], solo: ['fast'] },
    nodes: Object.fromEntries(
      nodes.map(({ id, node: { api }, tags }) => [
        id,
        { api, groups: [id === 'fast' ? 'fast' : 'all'], inbounds: tags },
      ]),
    ),
  };
  await apply(books.db, file);
  for (const which of nodes) misbehave(books.db, which);
  const keepers = [keepersOf(books), keepersOf(books)];
  const replica = openReplica(books.url);
  return {
    ...{ books, replica, nodes, file, keepers, now, random: randomOf(seed) },
    ...{ customers: [], planted: new Set(), backups: 0, lately: undefined },
    async [Symbol.asyncDispose]() {
      await Promise.all(keepers.map((each) => each.stop()));
      for (const { node } of nodes) node.stop();
      await replica.close();
      await books.close();
    },
  };
}

/** The books' clock goes on. */
export async function passes(world: World, ms: number): Promise<void> {
  world.now = later(world.now, ms);
  await setClock(world.books.db, world.now);
}

async function bootOf({ db }: Books, id: string): Promise<Instant | null> {
  const { rows } = await sql<{ boot: Instant | null }>`
    SELECT boot_at AS boot FROM perennial.node WHERE id = ${id}`.execute(db);
  return rows[0]?.boot ?? null;
}

/** Whether it may end now: a death too many within a moment is nothing that keepers could read. */
export async function mayDie({ books }: World, which: WorldNode): Promise<boolean> {
  if (which.life.ageMs() <= lifeMinMs) return false;
  return !which.node.up() || (await suspects(books.db, which)).size === 0;
}

/** A new life. Only of a node that may die. */
export async function startNode(
  { books }: World,
  which: WorldNode,
  { unsure = false } = {},
): Promise<void> {
  const bootBefore = await bootOf(books, which.id);
  which.misconduct.length = 0;
  await which.node.restart();
  which.life = { ageMs: stopwatch(), bootBefore, unsure };
}

/** As soon as it may. The books' clock goes on meanwhile. */
export async function startNodeSoon(world: World, which: WorldNode): Promise<void> {
  await until(`${which.id} may be started`, async () => {
    await passes(world, pollStepMs);
    return (await mayDie(world, which)) ? true : undefined;
  });
  await startNode(world, which);
}

/** How far the clock goes at each look while something is waited for: some 5 times real time. */
export const pollStepMs = 50;

export const credentialOf = (name: string): CredentialId =>
  readUserName(name, 'perennial') as CredentialId;
