import { expect, test } from 'vitest';
import type { Tx } from '../../../src/db/connect.ts';
import { openSingleConnection } from '../../../src/db/single-connection.ts';
import { revoke } from '../../../src/subscription/commands/revoke.ts';
import { connectNode } from '../../../src/xray/grpc/client.ts';
import type { CallOutcome } from '../../../testbed/bot-api/bot-api.ts';
import { until } from '../../../testbed/until.ts';
import { deleteMarks, runComparison } from '../../support/comparison.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import {
  createDelivery,
  createStage,
  enqueueReceipts,
  runDelivery,
} from '../../support/delivery.ts';
import { refuseRows } from '../../support/faults.ts';
import {
  createdAt,
  createMixedRenewals,
  createReminderCustomers,
} from '../../support/mixed-renewals.ts';
import {
  createShopWithNodes,
  expectSynced,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../support/nodes.ts';
import { findReachableFiles } from '../../support/reachable-files.ts';
import { createCaller, createSubscriber, runWorker } from '../../support/shop.ts';
import { createGatewayWatch, type GatewayWatch } from './watched-gateway.ts';

// Connections and the network: no connection is used after its release, none is held during a
// network call, and no transaction is open then.

const createTenReminderCustomers = (database: TestDatabase) =>
  createReminderCustomers(database, 5n);

const createWatchedConnect =
  (watch: GatewayWatch) => (address: Parameters<typeof connectNode>[0]) =>
    watch.watchGateway(connectNode(address));

test('F1 P5: keepers call their node with no connection held and no transaction open, for each outcome of the calls', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  const out = createGatewayWatch(database);
  const subscriptionId = await createSubscriber(database, 1n, 0n);
  await createSubscriber(database, 2n, 0n);
  {
    await using _ = startTestKeepers(database, { connect: createWatchedConnect(out) });
    await expectSynced(database, node);
    await revoke(createCaller(database), { telegramId: 1n, subscriptionId, reason: 'test' });
    await untilSynced(database);
    // The node drops all users, refuses one call, and breaks off the next call.
    let refusals = 0;
    node.conduct = ({ method }) => {
      if (method !== 'AlterInbound' || refusals === 2) return 'serve';
      refusals += 1;
      return refusals === 1 ? 'garbage' : 'crash';
    };
    await node.restart();
    await createSubscriber(database, 3n, 0n);
    await until('the broken call', () => refusals === 2);
    await node.restart();
    await expectSynced(database, node);
    await untilSynced(database);
  }
  expect(out.violations).toEqual([]);
  const methods = ['readHealth', 'readInbounds', 'addUser', 'removeUser'];
  expect(Object.keys(out.calls)).toEqual(expect.arrayContaining(methods));
}, 60_000);

test('F1 P5: a comparison lists its node with no connection of the pool held and no transaction open', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  const out = createGatewayWatch(database);
  await createSubscriber(database, 1n, 0n);
  await deleteMarks(database);
  const run = await runComparison(database, { connect: createWatchedConnect(out) });
  expect(run).toMatchObject({ outcome: 'success', changed: 1n });
  node.crash();
  await runComparison(database, { connect: createWatchedConnect(out), requestedNode: 'nl-1' });
  expect(out.violations).toEqual([]);
  expect(out.calls).toMatchObject({ readInbounds: 2, listUsers: 1 });
});

test('F1 P5: a courier sends with no connection held and no transaction open, for each outcome of the sends', async () => {
  await using stage = await createStage({ now: '2026-11-24T12:00:00Z' });
  const { database, api } = stage;
  const out = createGatewayWatch(database);
  const fates = ['lose', { status: 502 }, { error: 403, description: 'blocked' }];
  await enqueueReceipts(stage, 12);
  api.conduct = ({ n }) => (fates[n - 5] ?? 'serve') as CallOutcome;
  const { channels, ...delivery } = createDelivery(api);
  const watched = { ...delivery, channels: channels.map((one) => out.watchGateway(one)) };
  await runDelivery(stage, watched);
  // The remaining notifications, and those with a lost answer. Now the courier checks `getMe`
  // first.
  await database.setClock('2026-11-24T12:10:00Z');
  await database.query`UPDATE perennial.courier SET failures = 2`;
  await runDelivery(stage, watched);
  expect(out.violations).toEqual([]);
  expect(out.calls.send).toBeGreaterThanOrEqual(12);
  expect(out.calls.checkHealth).toBeGreaterThanOrEqual(1);
});

test.each([
  ['auto-renewal', createMixedRenewals, '2026-12-02T00:00:00Z', 'customer_id = 3'],
  ['fast-expiry-cleanup', createMixedRenewals, '2026-12-02T00:00:00Z', 'customer_id = 3'],
  ['trial-notifications', createTenReminderCustomers, '2026-11-24T12:00:00Z', 'customer_id = 8'],
  ['expiry-reminders', createTenReminderCustomers, '2026-11-24T12:00:00Z', 'customer_id = 3'],
])(
  'F1: a run of %s gives back each connection, and uses none after that',
  async (worker, fill, now, poisoned) => {
    await using database = await createDatabase({ now: createdAt });
    await fill(database);
    await refuseRows(database, 'UPDATE ON perennial.subscription', `NEW.${poisoned}`);
    await database.setClock(now);
    const problems: { code?: string }[] = [];
    const run = await runWorker(database, worker, { batchMax: 3, problems });
    // The driver refuses a transaction's connection after its end, which would be another problem.
    expect(new Set(problems.map(({ code }) => code))).toEqual(new Set(['pg_P0001']));
    expect(run).toMatchObject({ outcome: 'degraded', failed: 1n });
    expect(run.changed).toBeGreaterThan(2n);
    expect(database.watch.violations).toEqual([]);
    expect(database.pool.idleCount).toBe(database.pool.totalCount);
  },
);

test('F1: a use of a connection after its release, or across the network, is detected', async () => {
  await using database = await createDatabase();
  const client = await database.pool.connect();
  await database.watch.duringCall('a call', () => new Promise((resolve) => setImmediate(resolve)));
  client.release();
  await client.query('SELECT 1');
  expect(database.watch.violations.splice(0)).toEqual([
    'held across the network: a call',
    'used after its release: SELECT 1',
  ]);
});

test('P5: a gateway that is called inside a transaction fails, also on a connection beside the pool', async () => {
  await using database = await createDatabase();
  const out = createGatewayWatch(database);
  const gateway = out.watchGateway({
    async *listUsers() {
      await new Promise((resolve) => setImmediate(resolve));
      yield 1;
    },
    send: () => new Promise((resolve) => setImmediate(() => resolve('sent'))),
  });
  expect(await gateway.send()).toBe('sent');
  const later = database.db.transaction().execute(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return gateway.send();
  });
  await expect(later).rejects.toThrow('send was called inside a transaction');
  await using alone = await openSingleConnection(database.url);
  const listed = alone.db.connection().execute(async () => {
    for await (const _ of gateway.listUsers()) return;
  });
  await expect(listed).rejects.toThrow('listUsers was called inside a connection');
  expect(database.watch.violations.splice(0)).toHaveLength(2);
});

test('F1: a function with a transaction parameter gets a transaction, and never the pool', async () => {
  await using database = await createDatabase();
  // @ts-expect-error a connection of the pool may be held only for a statement
  const tx: Tx = database.db;
  expect(tx.isTransaction).toBe(false);
});

test.each([
  ['auto-renewal', 'subscription/store/ledger.ts'],
  ['fast-expiry-cleanup', 'subscription/store/ledger.ts'],
  ['trial-notifications', 'outbox/outbox.ts'],
  ['expiry-reminders', 'subscription/rules/forecast.ts'],
  ['raise-alarms', 'outbox/alarms.ts'],
])('P5: no gateway can be reached from the code of %s', (worker, known) => {
  const reached = findReachableFiles([`workers/${worker}/worker.ts`, 'runs/runner.ts']);
  expect(reached).toContain(known);
  expect(reached.filter((path) => /^(xray|notify\/channels|http)\//.test(path))).toEqual([]);
});
