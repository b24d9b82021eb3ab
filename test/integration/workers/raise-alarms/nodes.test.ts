import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { runMarkingJobs } from '../../../../src/access/marking-jobs.ts';
import { readOutages } from '../../../../src/access/node-outages.ts';
import { applySteps } from '../../../../src/catalog/apply.ts';
import type { CatalogStep } from '../../../../src/catalog/diff.ts';
import { listNodes } from '../../../../src/catalog/nodes.ts';
import { inTransaction } from '../../../../src/db/connect.ts';
import {
  type Instant,
  isoTime,
  later,
  minuteMs,
  parseInstant,
  secondMs,
} from '../../../../src/kernel/instant.ts';
import { readMetrics } from '../../../../src/runs/metrics.ts';
import { until } from '../../../../testbed/until.ts';
import { readAlarms, readNodeAlarmParams, runRaiseAlarms } from '../../../support/alarms.ts';
import type { TestDatabase } from '../../../support/database.ts';
import {
  createShopWithNodes,
  readNode,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import {
  createEndingSubscribers,
  createShopDatabase,
  createSubscriber,
  runWorkerAt,
} from '../../../support/shop.ts';

// Alarms about nodes: unreachable nodes, and removals that a node has not confirmed.

const start = parseInstant('2026-11-25T09:00:00Z', 'the test');
const after = (ms: number): Instant => later(start, ms);

const isDown = (database: TestDatabase, down: boolean) =>
  until(
    down ? 'the node is down' : 'the node answers',
    async () => ((await readNode(database, 'a')).down_since !== null) === down,
  );

test('S8: a node that does not answer for 2 minutes raises an alarm with its start and the waiting users, and it is over with the first answer', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ a: { api: node.api } }, { now: start });
  await createEndingSubscribers(database, 3, '2026-11-25T09:01:00Z');
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
    node.conduct = () => 'garbage';
    await isDown(database, true);
  }
  await createSubscriber(database, 900n, 100_000n);
  await runWorkerAt(database, after(minuteMs), 'fast-expiry-cleanup');
  await runRaiseAlarms(database, after(2 * minuteMs - 1));
  expect(await readAlarms(database)).toEqual([]);
  {
    // Another replica that finds the same outage: the start stays.
    await using _ = startTestKeepers(database);
    await until(
      'the node received a call',
      async () => (await readNode(database, 'a')).failures > 2,
    );
    await runRaiseAlarms(database, after(2 * minuteMs));
    await runRaiseAlarms(database, after(3 * minuteMs));
    expect(await readAlarms(database)).toEqual(['alarm_node a']);
    expect(await readNodeAlarmParams(database)).toMatchObject([
      { node: 'a', down_since: '2026-11-25T09:00:00.000Z', to_add: 1, to_remove: 3 },
    ]);
    node.conduct = () => 'serve';
    await isDown(database, false);
  }
  await runRaiseAlarms(database, after(4 * minuteMs));
  expect(await readAlarms(database)).toEqual(['alarm_node a', 'alarm_over alarm_node a']);
});

test('S8: the alarm does not need a waiting user', async () => {
  await using database = await createShopWithNodes({ a: { api: '127.0.0.1:1' } }, { now: start });
  {
    await using _ = startTestKeepers(database);
    await isDown(database, true);
  }
  await runRaiseAlarms(database, after(2 * minuteMs));
  expect(await readNodeAlarmParams(database)).toMatchObject([
    { to_add: 0, to_remove: 0, error: expect.stringMatching(/no connection/) },
  ]);
});

test('S8: a node that no replica keeps raises the alarm too, from its last answer on', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ a: { api: node.api } }, { now: start });
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
  }
  await runRaiseAlarms(database, after(20 * secondMs));
  expect(await readNode(database, 'a')).toMatchObject({ down_since: null });
  await runRaiseAlarms(database, after(minuteMs));
  expect(await readNode(database, 'a')).toMatchObject({ down_since: start });
  await runRaiseAlarms(database, after(2 * minuteMs));
  expect(await readAlarms(database)).toEqual(['alarm_node a']);
});

test('S8: after a stop of the service no alarm is raised before its keepers had 2 minutes', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ a: { api: node.api } }, { now: start });
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
  }
  await runRaiseAlarms(database, after(60 * minuteMs));
  {
    await using _ = startTestKeepers(database);
    await isDown(database, false);
  }
  await runRaiseAlarms(database, after(61 * minuteMs));
  expect(await readAlarms(database)).toEqual([]);
});

test('S8: an alarm about a node that was removed is over', async () => {
  await using database = await createShopWithNodes({ a: { api: '127.0.0.1:1' } }, { now: start });
  await database.query`UPDATE perennial.node SET down_since = '2026-11-25T08:00:00Z'`;
  await runRaiseAlarms(database, start);
  await database.query`DELETE FROM perennial.node`;
  await runRaiseAlarms(database, after(minuteMs));
  expect(await readAlarms(database)).toEqual(['alarm_node a', 'alarm_over alarm_node a']);
});

const nodeWith = (groups: string[], inbounds = ['vless-reality']) => ({
  id: 'nl-1',
  api: '127.0.0.1:10085',
  tls: false,
  inbounds,
  groups,
  link: { host: 'nl1.example.net', port: 443 },
});

const losses: readonly (readonly [what: string, steps: (before: never) => CatalogStep[]])[] = [
  [
    'a group of the plan',
    () => [{ do: 'change-plan', plan: 'basic', title: { en: 'Basic' }, groups: ['none'] }],
  ],
  ['a group of the node', (before) => [{ do: 'change-node', node: nodeWith(['none']), before }]],
  [
    'an inbound of the node',
    (before) => [{ do: 'change-node', node: nodeWith(['all'], ['another']), before }],
  ],
];

test.each(losses)(
  'F9: removals by %s are alarmed after 5 minutes, and the metric has their age',
  async (_, steps) => {
    await using database = await createShopDatabase({ now: start });
    await createEndingSubscribers(database, 3, '2026-12-25T09:00:00Z');
    const { db } = database;
    await sql`DELETE FROM perennial.access_sync`.execute(db);
    await inTransaction(db, (tx) =>
      applySteps(tx, steps(nodeWith(['all']) as never), 'test', start),
    );
    await runMarkingJobs(db);
    await runRaiseAlarms(database, after(5 * minuteMs - 1));
    expect(await readAlarms(database)).toEqual([]);
    await runRaiseAlarms(database, after(5 * minuteMs));
    expect(await readAlarms(database)).toEqual(['alarm_removal nl-1 3']);
    const figures = await readMetrics(db);
    const age = figures.find(({ name }) => name === 'perennial_node_oldest_removal_seconds');
    expect(age?.values).toEqual([{ of: { node: 'nl-1' }, value: 300 }]);
    expect(await listNodes(db)).toMatchObject([{ removals: 3n, oldestRemoval: start }]);
    await sql`UPDATE perennial.node SET down_since = ${isoTime(start)}`.execute(db);
    expect(await readOutages(db)).toMatchObject([{ toAdd: 0, toRemove: 3 }]);
    await sql`UPDATE perennial.node SET down_since = NULL`.execute(db);
    await sql`DELETE FROM perennial.access_sync`.execute(db);
    await runRaiseAlarms(database, after(6 * minuteMs));
    expect(await readAlarms(database)).toContain('alarm_over alarm_removal nl-1');
  },
);
