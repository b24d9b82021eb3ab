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
import { silentLog } from '../../support/log.ts';
import { startNode, type TestNode } from '../../support/nodes.ts';
import { applyFile, type CatalogFile } from './catalog-file.ts';

// Three nodes that crash and restart, keepers of two processes, and a database with a stored clock.
// Time passes only by events.

/** One boot of a node, from its start to its crash. */
export interface NodeBoot {
  readonly ageMs: () => number;
  /**
   * The start that the database had before this boot. While it has this value, the boot is not
   * detected.
   */
  readonly previousBootAt: Instant | null;
  /**
   * True if only a comparison can find its users, because the node started with users, or a restore
   * made the database older than the node.
   */
  isUncertain: boolean;
}

export interface SimulatedNode {
  readonly id: string;
  readonly node: TestNode;
  /** Its inbounds with their protocols. Those of the file are some of them. */
  readonly tags: readonly string[];
  boot: NodeBoot;
  /** The outcomes of the next calls that change a user. */
  readonly misconduct: CallBehavior[];
  /** Names whose add crashes the node each time. */
  readonly crashers: Set<string>;
  /** The number of its answers to probes, which measures time for keepers. */
  probes: number;
  /** Its users some time ago. */
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
  /** Items that a crashing credential may put into the quarantine of keep-node. */
  readonly planted: Set<string>;
  /** The number of backups. */
  backups: number;
  /** The customer of the last command, because several events in a row concern one customer. */
  lastCustomer: bigint | undefined;
  now: Instant;
}

/**
 * The time from one start to the next. It exceeds the jitter that keepers allow (2 s), in whole
 * seconds. A start within the jitter may be taken for the same boot, which is correct if no user is
 * missing. Here each boot must have a distinct start in the database.
 */
const bootMinMs = 3_500;

export const probeMs = 100;

export function startSimulationKeepers(database: TestDatabase): Keepers {
  const intervals = { probeMs, pollMs: 100, silentMs: 3_000, steadyMs: 300 };
  return startKeepers({ ...database, connect: connectNode, log: silentLog, ...intervals });
}

/** The longest latency of a call, long enough for rights to change during calls. */
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
 * Starts random faults of calls. A suspect is called alone. A random crash at this time would put
 * it into quarantine by mistake. So random crashes happen only without
 * suspects in progress. The same holds for the calls of crashing credentials, which may come from a
 * keeper that is just being replaced.
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
      // The credential may have been repaired meanwhile.
      if (simulated.crashers.has(name)) return 'crash';
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

/** Names whose add ended with the boot, without the crashing credentials. */
async function readSuspects(db: Db, { id, crashers }: SimulatedNode): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ name: string }>`
    SELECT 'perennial-' || credential_id AS name FROM perennial.access_sync
    WHERE node_id = ${id} AND lost > 0`.execute(db);
  return new Set(rows.map(({ name }) => name).filter((name) => !crashers.has(name)));
}

export async function createEnvironment(seed: number): Promise<Environment> {
  const now = instant(Date.parse('2026-11-24T09:00:00Z'));
  const nodes = await Promise.all(
    // These draws are separate, because the time of a call depends on the machine.
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

/** Moves the clock of the database forward. */
export async function advanceClock(environment: Environment, ms: number): Promise<void> {
  environment.now = later(environment.now, ms);
  await setClock(environment.database.db, environment.now);
}

async function readBootAt({ query }: TestDatabase, id: string): Promise<Instant | null> {
  const rows = await query<{ boot: Instant | null }>`
    SELECT boot_at AS boot FROM perennial.node WHERE id = ${id}`;
  return rows[0]?.boot ?? null;
}

/** True if the node may crash now. Keepers cannot detect two crashes within a moment. */
export async function canCrash(
  { database }: Environment,
  simulated: SimulatedNode,
): Promise<boolean> {
  if (simulated.boot.ageMs() <= bootMinMs) return false;
  return !simulated.node.isRunning() || (await readSuspects(database.db, simulated)).size === 0;
}

/** Starts a new boot, only of a node that may crash. */
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

/** Starts a new boot as soon as allowed. The clock of the database moves meanwhile. */
export async function bootNodeSoon(
  environment: Environment,
  simulated: SimulatedNode,
): Promise<void> {
  await until(`${simulated.id} may be started`, async () => {
    await advanceClock(environment, pollStepMs);
    return await canCrash(environment, simulated);
  });
  await bootNode(environment, simulated);
}

/** The step of the clock at each poll, about 5 times real time. */
export const pollStepMs = 50;

export const toCredentialId = (name: string): CredentialId =>
  tryParseUserName(name, 'perennial') as CredentialId;
