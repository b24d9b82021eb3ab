import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'kysely';
import { setClock } from '../../../src/db/clock.ts';
import type { Db } from '../../../src/db/connect.ts';
import { createRandom, drawInteger, type Random } from '../../../src/demo/random.ts';
import type { CredentialId } from '../../../src/kernel/ids.ts';
import { type Instant, instant, later } from '../../../src/kernel/instant.ts';
import { stopwatch } from '../../../src/kernel/stopwatch.ts';
import { openReplica, type Replica } from '../../../src/leases/replica.ts';
import { type Keepers, startKeepers } from '../../../src/workers/keep-node/keepers.ts';
import type { CallBehavior, ReceivedCall } from '../../../src/xray/embedded/node.ts';
import { connectNode } from '../../../src/xray/grpc/client.ts';
import type { UserProtocol } from '../../../src/xray/port.ts';
import { tryParseUserName } from '../../../src/xray/user-names.ts';
import { until } from '../../../testbed/until.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { silentLog, startNode, type TestNode } from '../../support/nodes.ts';
import { applyFile, type CatalogFile } from './catalog-file.ts';

// Three nodes that die and come back, two processes' keepers on them, and books whose clock is
// stored: time passes when the play says so.

/** One life of a node: from a start to its death. */
export interface NodeBoot {
  readonly ageMs: () => number;
  /** What the books had as its start before this life; as long as they do, it wasn't noticed yet. */
  readonly previousBootAt: Instant | null;
  /**
   * The books can't know whom it has, but by comparing: it came with users of its own, or the books
   * are older than what it was told.
   */
  isUncertain: boolean;
}

export interface SimulatedNode {
  readonly id: string;
  readonly node: TestNode;
  /** Its inbounds, each with its protocol; those of the file are some of them. */
  readonly tags: readonly string[];
  boot: NodeBoot;
  /** What becomes of the next calls that change a user. */
  readonly misconduct: CallBehavior[];
  /** Names whose every add ends its life. */
  readonly crashers: Set<string>;
  /** How often it told a keeper that it lives: time as keepers spend it, whatever else goes on. */
  probes: number;
  /** Whom it had some time ago. */
  formerNames: readonly string[];
}

export interface Environment extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly replica: Replica;
  readonly nodes: readonly SimulatedNode[];
  readonly file: CatalogFile;
  readonly random: Random;
  readonly keepers: Keepers[];
  readonly customers: bigint[];
  /** Items of keep-node's quarantine that a killer may bring there. */
  readonly planted: Set<string>;
  /** How many backups of the books there are. */
  backups: number;
  /** Whom the last command was about: things happen to one customer in a row. */
  lastCustomer: bigint | undefined;
  now: Instant;
}

/**
 * From one start to the next: later by more than the jitter that keepers allow (2 s), told in whole
 * seconds. An earlier one may be taken for the same life, and rightly so where nobody is missing by it;
 * but here each life is to have a start of its own in the books.
 */
export const bootMinMs = 3_500;

export const probeMs = 100;

export function startSimulationKeepers(database: TestDatabase): Keepers {
  const intervals = { probeMs, pollMs: 100, silentMs: 3_000, steadyMs: 300 };
  return startKeepers({ ...database, connect: connectNode, log: silentLog, ...intervals });
}

/** The way to a node and back: long enough for rights to change while calls are under way. */
const latencyMaxMs = 200;

const inbounds: Readonly<Record<string, Readonly<Record<string, UserProtocol>>>> = {
  n1: { vless: 'vless' },
  n2: { vless: 'vless', trojan: 'trojan' },
  fast: { vmess: 'vmess', vless: 'vless' },
};

async function createSimulatedNode(id: string, random: Random): Promise<SimulatedNode> {
  const kinds = Object.entries(inbounds[id] ?? {});
  const node = await startNode(kinds.map(([tag, protocol]) => ({ tag, protocol })));
  const boot = { ageMs: stopwatch(), previousBootAt: null, isUncertain: false };
  const simulated: SimulatedNode = {
    ...{ id, node, boot, misconduct: [], crashers: new Set(), probes: 0, formerNames: [] },
    tags: kinds.map(([tag]) => tag),
  };
  node.conduct = async ({ method }) => {
    if (method === 'GetSysStats') simulated.probes += 1;
    else if (method === 'AlterInbound') await pause(drawInteger(random, latencyMaxMs));
    return 'serve' as const;
  };
  return simulated;
}

/**
 * From now on its calls may go wrong. Who is suspected goes with nothing else under way: were the node
 * to die by chance just then, he would be taken for killed by, and rightly so for all that a keeper
 * can know. So chance strikes when nobody is; and a killer, who may come from a keeper that is just
 * being replaced, when no suspect is under way.
 */
function injectFaults(db: Db, simulated: SimulatedNode): void {
  const serve = simulated.node.conduct;
  const pendingNames: string[] = [];
  const conduct = async ({ method, adds, name }: ReceivedCall): Promise<CallBehavior> => {
    if (adds && simulated.crashers.has(name)) {
      await until('no suspect is under way', async () => {
        const suspected = await readSuspects(db, simulated);
        return pendingNames.some((each) => suspected.has(each)) ? undefined : true;
      });
      // He may have been cured meanwhile.
      if (simulated.crashers.has(name)) return 'die';
    }
    const [next] = method === 'AlterInbound' ? simulated.misconduct : [];
    if (next === undefined) return 'serve';
    if (next !== 'lose_answer' && (await readSuspects(db, simulated)).size > 0) return 'serve';
    return simulated.misconduct.shift() ?? 'serve';
  };
  simulated.node.conduct = async (call) => {
    pendingNames.push(call.name);
    try {
      await serve(call);
      return await conduct(call);
    } finally {
      pendingNames.splice(pendingNames.indexOf(call.name), 1);
    }
  };
}

/** Whose add ended with the node's life, by name; but for killers. */
export async function readSuspects(
  db: Db,
  { id, crashers }: SimulatedNode,
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ name: string }>`
    SELECT 'perennial-' || credential_id AS name FROM perennial.access_sync
    WHERE node_id = ${id} AND lost > 0`.execute(db);
  return new Set(rows.map(({ name }) => name).filter((name) => !crashers.has(name)));
}

export async function createEnvironment(seed: number): Promise<Environment> {
  const now = instant(Date.parse('2026-11-24T09:00:00Z'));
  const nodes = await Promise.all(
    // Draws of their own: when a call comes by is up to the machine.
    Object.keys(inbounds).map((id, at) => createSimulatedNode(id, createRandom(seed + at + 1))),
  );
  const database = await createDatabase({ now });
  const file: CatalogFile = {
    plans: { basic: ['all'], plus: ['all', 'fast'], solo: ['fast'] },
    nodes: Object.fromEntries(
      nodes.map(({ id, node: { api }, tags }) => [
        id,
        { api, groups: [id === 'fast' ? 'fast' : 'all'], inbounds: tags },
      ]),
    ),
  };
  await applyFile(database.db, file);
  for (const simulated of nodes) injectFaults(database.db, simulated);
  const keepers = [startSimulationKeepers(database), startSimulationKeepers(database)];
  const replica = openReplica(database.url);
  return {
    ...{ database, replica, nodes, file, keepers, now, random: createRandom(seed) },
    ...{ customers: [], planted: new Set(), backups: 0, lastCustomer: undefined },
    async [Symbol.asyncDispose]() {
      await Promise.all(keepers.map((each) => each.stop()));
      for (const { node } of nodes) node.stop();
      await replica.close();
      await database.close();
    },
  };
}

/** The books' clock goes on. */
export async function advanceClock(environment: Environment, ms: number): Promise<void> {
  environment.now = later(environment.now, ms);
  await setClock(environment.database.db, environment.now);
}

async function readBootAt({ db }: TestDatabase, id: string): Promise<Instant | null> {
  const { rows } = await sql<{ boot: Instant | null }>`
    SELECT boot_at AS boot FROM perennial.node WHERE id = ${id}`.execute(db);
  return rows[0]?.boot ?? null;
}

/** Whether it may end now: a death too many within a moment is nothing that keepers could read. */
export async function canCrash(
  { database }: Environment,
  simulated: SimulatedNode,
): Promise<boolean> {
  if (simulated.boot.ageMs() <= bootMinMs) return false;
  return !simulated.node.isRunning() || (await readSuspects(database.db, simulated)).size === 0;
}

/** A new life. Only of a node that may die. */
export async function bootNode(
  { database }: Environment,
  simulated: SimulatedNode,
  { unsure: isUncertain = false } = {},
): Promise<void> {
  const previousBootAt = await readBootAt(database, simulated.id);
  simulated.misconduct.length = 0;
  await simulated.node.restart();
  simulated.boot = { ageMs: stopwatch(), previousBootAt, isUncertain };
}

/** As soon as it may. The books' clock goes on meanwhile. */
export async function bootNodeSoon(
  environment: Environment,
  simulated: SimulatedNode,
): Promise<void> {
  await until(`${simulated.id} may be started`, async () => {
    await advanceClock(environment, pollStepMs);
    return (await canCrash(environment, simulated)) ? true : undefined;
  });
  await bootNode(environment, simulated);
}

/** How far the clock goes at each look while something is waited for: some 5 times real time. */
export const pollStepMs = 50;

export const toCredentialId = (name: string): CredentialId =>
  tryParseUserName(name, 'perennial') as CredentialId;
