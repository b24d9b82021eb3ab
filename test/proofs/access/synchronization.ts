import { setTimeout as pause } from 'node:timers/promises';
import { runMarkingJobs } from '../../../src/access/marking-jobs.ts';
import { dayMs, type Instant, later } from '../../../src/kernel/instant.ts';
import { stopwatch } from '../../../src/kernel/stopwatch.ts';
import { runComparison } from '../../support/comparison.ts';
import { advanceClock, bootNodeSoon, type Environment, pollStepMs } from './environment.ts';
import { confirmStrays } from './events.ts';
import type { AccessMonitor } from './monitor.ts';

// The idle phase of the simulation. Every node is up, no event happens, and each node must reach
// the state of the database by itself. Only names that the database does not know must stay until
// they are confirmed.

/** The clock after an idle phase, on any machine, so that the same seed gives the same events. */
const idleMs = 5 * dayMs;

export async function checkSynced(
  environment: Environment,
  monitor: AccessMonitor,
  eventCount: number,
): Promise<void> {
  const after = `idle after ${eventCount} events`;
  const endAt = later(environment.now, idleMs);
  for (const simulated of environment.nodes) {
    simulated.crashers.clear();
    simulated.misconduct.length = 0;
    if (!simulated.node.isRunning()) await bootNodeSoon(environment, simulated);
  }
  await runMarkingJobs(environment.database.db);
  await untilSynced(environment, monitor, after);
  environment.planted.clear();
  await expectEqual(environment, monitor, after);
  for (const { boot } of environment.nodes) boot.isUncertain = false;
  await untilSynced(environment, monitor, after);
  await expectEqual(environment, monitor, after);
  if (environment.nodes.some((simulated) => monitor.countUnknown(simulated) > 0)) {
    await confirmStrays(environment, monitor);
    await untilSynced(environment, monitor, after);
    await expectEqual(environment, monitor, after);
    for (const simulated of environment.nodes) {
      const left = monitor.countUnknown(simulated);
      if (left > 0)
        monitor.violations.push(
          `${after}: ${simulated.id} has ${left} users whose removal was confirmed`,
        );
    }
  }
  environment.now = environment.now > endAt ? environment.now : endAt;
  await advanceClock(environment, 0);
}

/**
 * Checks that nodes equal the database, by a separate check and by the comparison of the program.
 * The comparison may find more, and marks what it finds.
 */
async function expectEqual(
  environment: Environment,
  monitor: AccessMonitor,
  after: string,
): Promise<void> {
  await monitor.check(after);
  const { ends } = await runComparison(environment.database, {
    requestedNode: 'all',
    replica: environment.replica,
  });
  for (const simulated of environment.nodes) {
    const end = ends.find(({ node }) => node === simulated.id);
    if (end?.is !== 'compared') {
      monitor.violations.push(`${after}: ${simulated.id} was not compared`);
      continue;
    }
    const { unknown, ...others } = end.comparison.kinds;
    const unknownCount = monitor.countUnknown(simulated);
    if (unknown !== unknownCount) {
      monitor.violations.push(
        `${after}: ${simulated.id} has ${unknownCount} unknown users; the comparison reports ${unknown}`,
      );
    }
    if (simulated.boot.isUncertain) continue;
    for (const [kind, count] of Object.entries(others)) {
      if (count > 0) monitor.violations.push(`${after}: ${simulated.id}: ${kind} ${count}`);
    }
  }
}

/** The deadline of a synchronization, which takes a few seconds on a working machine. */
const deadlineMs = 120_000;
const pollMs = 5;
/** The share of polls that also check the waits. */
const checkEvery = 20;

/** Waits until every node is seeded in its current boot and has no mark, or until a violation. */
async function untilSynced(
  environment: Environment,
  monitor: AccessMonitor,
  after: string,
): Promise<void> {
  const elapsedMs = stopwatch();
  for (let polls = 1; monitor.violations.length === 0; polls += 1) {
    await advanceClock(environment, pollStepMs);
    if (polls % checkEvery === 0) {
      await monitor.check(after);
      // A credential that crashed nodes is retried within a day, and is repaired now. Its
      // quarantine may begin only now, at the next probe after a crash.
      if (environment.planted.size > 0) await advanceClock(environment, dayMs);
    }
    if (await areSynced(environment)) return;
    if (elapsedMs() > deadlineMs)
      monitor.violations.push(`${after}: not synced: ${await describePending(environment)}`);
    await pause(pollMs);
  }
}

async function describePending({ database, nodes }: Environment): Promise<string> {
  const rows = await database.query`
    SELECT n.id, n.boot_at, n.seeded_boot_at, n.failures, n.last_error, perennial.clock() AS now,
      array(SELECT to_jsonb(m) FROM perennial.access_sync m WHERE m.node_id = n.id LIMIT 3) AS marks,
      array(SELECT to_jsonb(x) FROM perennial.stray x WHERE x.node_id = n.id LIMIT 3) AS strays,
      array(SELECT to_jsonb(o) FROM perennial.marking o WHERE o.node_id = n.id) AS orders
    FROM perennial.node n ORDER BY n.id`;
  return JSON.stringify([rows, nodes.map(({ node, boot }) => [node.isRunning(), boot])]);
}

async function areSynced({ database, nodes }: Environment): Promise<boolean> {
  const rows = await database.query<{ id: string; boot: Instant | null }>`
    SELECT n.id, n.boot_at AS boot FROM perennial.node n
    WHERE n.seeded_boot_at = n.boot_at AND n.failures = 0
      AND NOT EXISTS (SELECT FROM perennial.access_sync m WHERE m.node_id = n.id)
      AND NOT EXISTS (SELECT FROM perennial.marking o WHERE o.node_id = n.id)
      AND NOT EXISTS (SELECT FROM perennial.stray x WHERE x.node_id = n.id)`;
  return nodes.every(({ id, boot }) =>
    rows.some((row) => row.id === id && row.boot !== boot.previousBootAt),
  );
}
