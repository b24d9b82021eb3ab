import { runMarkingJobs } from '../../../src/access/marking-jobs.ts';
import { drawBoolean, drawInteger, drawOne } from '../../../src/demo/random.ts';
import { minuteMs } from '../../../src/kernel/instant.ts';
import { runConcurrently } from '../../../src/xray/concurrency.ts';
import { connectNode } from '../../../src/xray/grpc/client.ts';
import { type ComparisonOptions, runComparison } from '../../support/comparison.ts';
import { runWorker } from '../../support/shop.ts';
import { backUpDatabase, restoreDatabase } from './backup.ts';
import { applyFile, plans } from './catalog-file.ts';
import { pickOne } from './commands.ts';
import {
  advanceClock,
  bootNode,
  canCrash,
  type Environment,
  type SimulatedNode,
  startSimulationKeepers,
  toCredentialId,
} from './environment.ts';
import type { AccessMonitor } from './monitor.ts';

// Events of nodes, keepers and the database, and reactions of the operator.

export type SimulationEvent = (environment: Environment, monitor: AccessMonitor) => Promise<void>;

/** Moves time by hours, and runs the workers in either order. */
const passTime: SimulationEvent = async (environment, monitor) => {
  await advanceClock(environment, minuteMs * (1 + drawInteger(environment.random, 48 * 60)));
  const workers = ['fast-expiry-cleanup', 'auto-renewal'];
  for (const name of drawBoolean(environment.random, 50) ? workers : workers.toReversed()) {
    await runWorker(environment.database, name, { replica: environment.replica });
    await monitor.check(name);
  }
  // Each node is due now. Comparisons do not run each time, so that faults last for a while.
  if (drawBoolean(environment.random, 25)) await compareNodes(environment);
};

/** The users of a node without a new boot are known now, or marked. */
async function compareNodes(
  environment: Environment,
  options: Pick<ComparisonOptions, 'requestedNode' | 'confirmed'> = {},
) {
  const { database, replica } = environment;
  const bootsBefore = new Map(environment.nodes.map(({ id, boot }) => [id, boot]));
  // A missing user on a node that is being seeded is left to its keeper, which continues from the
  // row of the node. After a restore only the next comparison finds the user.
  const rows = await database.query<{ id: string }>`
    SELECT id FROM perennial.node WHERE seeded_boot_at IS DISTINCT FROM boot_at`;
  for (const { id } of rows) bootsBefore.delete(id);
  const { ends } = await runComparison(database, { ...options, replica });
  for (const { node, is } of ends) {
    const simulated = environment.nodes.find(({ id }) => id === node);
    if (simulated !== undefined && is === 'compared' && bootsBefore.get(node) === simulated.boot) {
      simulated.boot.isUncertain = false;
    }
  }
}

/** A person confirms the removal of unknown names. */
export async function confirmStrays(
  environment: Environment,
  monitor: AccessMonitor,
): Promise<void> {
  monitor.markConfirmed();
  await compareNodes(environment, { requestedNode: 'all', confirmed: true });
}

const crashNode: SimulationEvent = async (environment) => {
  const simulated = pickOne(environment, environment.nodes);
  if (await canCrash(environment, simulated)) simulated.node.crash();
};

async function pickNodeToStart(environment: Environment): Promise<SimulatedNode | undefined> {
  const down = environment.nodes.filter(({ node }) => !node.isRunning());
  const simulated = pickOne(environment, down.length > 0 ? down : environment.nodes);
  return (await canCrash(environment, simulated)) ? simulated : undefined;
}

const startPickedNode: SimulationEvent = async (environment) => {
  const simulated = await pickNodeToStart(environment);
  if (simulated !== undefined) await bootNode(environment, simulated);
};

/** Starts a node with the users that it had some time ago. */
const startNodeWithOldUsers: SimulationEvent = async (environment) => {
  const simulated = await pickNodeToStart(environment);
  if (simulated === undefined || simulated.crashers.size > 0) return;
  await bootNode(environment, simulated, { unsure: true });
  const api = connectNode({ api: simulated.node.api });
  const tags = environment.file.nodes[simulated.id]?.inbounds ?? [];
  try {
    await runConcurrently(simulated.formerNames, 32, async (name) => {
      for (const tag of tags) await api.addUser(tag, { name, id: toCredentialId(name), flow: '' });
    });
  } finally {
    api.close();
  }
};

/** The next change is made or not, and its answer is lost. */
const loseNextAnswer: SimulationEvent = async (environment) => {
  const simulated = pickOne(environment, environment.nodes);
  const failure = drawOne(environment.random, ['crash', 'crash_after', 'lose_answer'] as const);
  if (simulated.node.isRunning() && simulated.misconduct.length === 0)
    simulated.misconduct.push(failure);
};

/** Plants a name whose add crashes the node. */
const plantCrasher: SimulationEvent = async (environment) => {
  const simulated = pickOne(environment, environment.nodes);
  const rows = await environment.database.query<{ id: string; subscription: bigint }>`
    SELECT c.id, c.subscription_id AS subscription FROM perennial.credential c
    JOIN perennial.subscription s ON s.id = c.subscription_id
    JOIN perennial.plan p ON p.key = s.plan
    JOIN perennial.node n ON n.id = ${simulated.id} AND p.groups && n.groups
    WHERE c.retired_at IS NULL ORDER BY c.subscription_id`;
  simulated.crashers.clear();
  if (rows.length === 0) return;
  const { id, subscription } = pickOne(environment, rows);
  simulated.crashers.add(`perennial-${id}`);
  environment.planted.add(`${simulated.id}/${subscription}`);
};

/** A process exits and another one starts, or it loses its connection, or it is replaced. */
const replaceKeeper: SimulationEvent = async (environment) => {
  const { database, keepers, random } = environment;
  const at = drawInteger(random, keepers.length);
  const how = drawInteger(random, 3);
  if (how === 0) {
    await keepers[at]?.stop();
    keepers[at] = startSimulationKeepers(database);
  } else if (how === 1) {
    await database.query`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'perennial keepers'
      ORDER BY backend_start LIMIT 1`;
  } else {
    await database.query`
      UPDATE perennial.node SET keeper_epoch = keeper_epoch + 1
      WHERE id = ${pickOne(environment, environment.nodes).id}`;
  }
};

const groups: [string[], ...string[][]] = [['all'], ['fast'], ['all', 'fast']];

/** Applies another file: a plan with other groups, or a node with other groups or inbounds. */
const applyChangedFile: SimulationEvent = async (environment, monitor) => {
  const { file, random, database } = environment;
  const how = drawInteger(random, 4);
  const several = environment.nodes.filter(({ tags }) => tags.length > 1);
  const simulated = pickOne(environment, how > 1 ? several : environment.nodes);
  const listed = file.nodes[simulated.id];
  if (how === 0 || listed === undefined)
    file.plans[pickOne(environment, plans)] = drawOne(random, groups);
  else if (how === 1) listed.groups = drawOne(random, groups);
  else {
    const some = simulated.tags.filter(() => drawBoolean(random, 60));
    const inbounds = some.length === 0 ? [pickOne(environment, simulated.tags)] : some;
    // Unknown names are searched on the inbounds of a node only. So those of a dropped inbound are
    // removed first.
    if (
      listed.inbounds.every((tag) => inbounds.includes(tag)) ||
      monitor.countUnknown(simulated) === 0
    ) {
      listed.inbounds = inbounds;
    }
  }
  await applyFile(database.db, file);
  // An interrupted command. The next run of reconcile-xray-state finishes it.
  if (drawBoolean(random, 70)) await runMarkingJobs(database.db);
};

/**
 * Restores an earlier backup, and then runs the due comparisons, as a start of the service does.
 */
const restoreBackup: SimulationEvent = async (environment, monitor) => {
  await restoreDatabase(environment, monitor);
  await compareNodes(environment);
};

/** The frequency of each event among 200. */
export const environmentEvents: Readonly<
  Record<string, readonly [count: number, event: SimulationEvent]>
> = {
  'time passes': [30, passTime],
  'a node crashes': [3, crashNode],
  'a node starts': [12, startPickedNode],
  'a node starts with old users': [1, startNodeWithOldUsers],
  'a reply is lost': [4, loseNextAnswer],
  'a user crashes a node': [1, plantCrasher],
  'a keeper is replaced': [6, replaceKeeper],
  'a file is applied': [5, applyChangedFile],
  'nodes are compared': [4, (environment) => compareNodes(environment, { requestedNode: 'all' })],
  'the database is backed up': [2, backUpDatabase],
  'a backup is restored': [2, restoreBackup],
  'the removal of unknown users is confirmed': [1, confirmStrays],
};
