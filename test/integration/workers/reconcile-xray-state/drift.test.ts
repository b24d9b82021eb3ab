import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import type { CredentialId, SubscriptionId } from '../../../../src/kernel/ids.ts';
import { confirmHeld } from '../../../../src/runs/confirmation.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import type { Comparison } from '../../../../src/workers/reconcile-xray-state/compare-node.ts';
import type { Flow } from '../../../../src/xray/flow.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import type { NodeApi } from '../../../../src/xray/port.ts';
import { formatUserName } from '../../../../src/xray/user-names.ts';
import {
  deleteMarks,
  readCredential,
  readMarks,
  runComparison,
} from '../../../support/comparison.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { createShopWithNodes, startNode, type TestNode } from '../../../support/nodes.ts';
import { createCaller, createEndingSubscribers, createSubscriber } from '../../../support/shop.ts';

const both = [
  { tag: 'vless', protocol: 'vless' },
  { tag: 'trojan', protocol: 'trojan' },
] as const;

interface Scene {
  readonly database: TestDatabase;
  readonly node: TestNode;
  readonly api: NodeApi;
  /** Two customers who bought. Both are on each inbound, and nothing is marked. */
  readonly subscriptions: readonly [SubscriptionId, SubscriptionId];
  readonly ids: readonly [CredentialId, CredentialId];
}

async function createScene(): Promise<Scene> {
  const node = await startNode(both);
  const database = await createShopWithNodes({
    'nl-1': { api: node.api, inbounds: ['vless', 'trojan'] },
  });
  const api = connectNode({ api: node.api });
  onTestFinished(async () => {
    api.close();
    node.stop();
    await database.close();
  });
  const subscriptions = [
    await createSubscriber(database, 1n, 0n),
    await createSubscriber(database, 2n, 0n),
  ] as const;
  const ids = [
    await readCredential(database, subscriptions[0]),
    await readCredential(database, subscriptions[1]),
  ] as const;
  for (const id of ids) await addToBoth(api, formatUserName('perennial', id), id);
  await deleteMarks(database);
  return { database, node, api, subscriptions, ids };
}

async function addToBoth(api: NodeApi, name: string, id: CredentialId, flow: Flow = '') {
  for (const { tag } of both) await api.addUser(tag, { name, id, flow }, {});
}

async function compareOnce(database: TestDatabase, options = {}): Promise<Comparison> {
  const { ends } = await runComparison(database, { requestedNode: 'nl-1', ...options });
  const [end] = ends;
  if (end?.is !== 'compared') throw new Error(`not compared: ${JSON.stringify(end)}`);
  return end.comparison;
}

const nothing = { missing: 0, unwanted: 0, different: 0, unknown: 0, conflict: 0 };

test('a node that equals the database has no drift, and nothing is marked', async () => {
  const { database } = await createScene();
  expect(await compareOnce(database)).toMatchObject({
    kinds: nothing,
    newlyMarked: 0,
    ours: 2,
    users: 4,
  });
  expect(await readMarks(database)).toEqual([]);
});

test('X1: a user who may connect and is not on every inbound is missing, and marked', async () => {
  const { database, api, ids, subscriptions } = await createScene();
  await api.removeUser('trojan', formatUserName('perennial', ids[0]), {});
  expect(await compareOnce(database)).toMatchObject({
    kinds: { ...nothing, missing: 1 },
    newlyMarked: 1,
  });
  expect(await readMarks(database)).toEqual([
    { subscription: subscriptions[0], urgent: false, replace: false },
  ]);
  // A marked user is on its way.
  expect(await compareOnce(database)).toMatchObject({
    kinds: { missing: 1 },
    marked: 1,
    newlyMarked: 0,
  });
});

test('a user who may no longer connect is marked for removal, before all others', async () => {
  const { database, subscriptions } = await createScene();
  const [subscriptionId] = subscriptions;
  await revoke(createCaller(database), { telegramId: 1n, subscriptionId, reason: 'x' });
  await deleteMarks(database);
  expect(await compareOnce(database)).toMatchObject({ kinds: { ...nothing, unwanted: 1 } });
  expect(await readMarks(database)).toEqual([
    { subscription: subscriptionId, urgent: true, replace: false },
  ]);
});

test('a user who may connect only elsewhere is marked for removal here', async () => {
  const { database } = await createScene();
  await database.query`UPDATE perennial.node SET groups = '{fast}'`;
  expect(await compareOnce(database)).toMatchObject({
    kinds: { ...nothing, unwanted: 2 },
    newlyMarked: 2,
  });
});

test('our name with another UUID, or another flow, is replaced', async () => {
  const { database, api, ids, subscriptions } = await createScene();
  const [first, second] = ids.map((id) => formatUserName('perennial', id)) as [string, string];
  await api.removeUser('trojan', first, {});
  await api.addUser('trojan', { name: first, id: randomUUID() as CredentialId, flow: '' }, {});
  await api.removeUser('vless', second, {});
  await api.addUser('vless', { name: second, id: ids[1], flow: 'xtls-rprx-vision' }, {});
  expect(await compareOnce(database)).toMatchObject({ kinds: { ...nothing, different: 2 } });
  expect(await readMarks(database)).toEqual(
    subscriptions.map((subscription) => ({ subscription, urgent: false, replace: true })),
  );
});

test('a VLESS inbound must have the flow of the link, and Trojan has none', async () => {
  const { database, api, ids } = await createScene();
  await database.query`UPDATE perennial.node SET link = link || '{"flow": "xtls-rprx-vision-udp443"}'`;
  expect(await compareOnce(database)).toMatchObject({ kinds: { ...nothing, different: 2 } });
  await deleteMarks(database);
  for (const id of ids) {
    const name = formatUserName('perennial', id);
    await api.removeUser('vless', name, {});
    await api.addUser('vless', { name, id, flow: 'xtls-rprx-vision' }, {});
  }
  expect(await compareOnce(database)).toMatchObject({ kinds: nothing });
});

test('X3: our names that are not in the database are reported, and nothing is written unless a person confirms', async () => {
  const { database, api } = await createScene();
  const id = randomUUID() as CredentialId;
  await addToBoth(api, formatUserName('perennial', id), id);
  const name = formatUserName('perennial', id);
  const strays = async () =>
    await database.query<{ name: string }>`SELECT name FROM perennial.stray`;
  const found = await compareOnce(database);
  const reported = { kinds: { ...nothing, unknown: 1 }, newlyMarked: 0 };
  expect(found).toMatchObject({ ...reported, newlyConfirmed: 0 });
  expect(found.sample).toMatchObject([{ kind: 'unknown', name, marked: false }]);
  expect(await strays()).toEqual([]);
  expect(await compareOnce(database, { confirmed: true })).toMatchObject({
    ...reported,
    newlyConfirmed: 1,
  });
  expect(await strays()).toEqual([{ name }]);
  expect(await readMarks(database)).toEqual([]);
  expect((await compareOnce(database)).sample).toMatchObject([
    { kind: 'unknown', name, marked: true },
  ]);
});

test('X3: with an empty database a full node is reported, and nothing is marked', async () => {
  const { api, node } = await createScene();
  await using empty = await createShopWithNodes({
    'nl-1': { api: node.api, inbounds: ['vless', 'trojan'] },
  });
  expect(await compareOnce(empty)).toMatchObject({
    kinds: { ...nothing, unknown: 2 },
    newlyMarked: 0,
  });
  expect(await api.countUsers('vless', {})).toBe(2);
});

/** 150 users of a node whose credentials are retired, and that have no mark. */
async function createManyRemovals() {
  const { database, api } = await createScene();
  await createEndingSubscribers(database, 150, '2100-01-01T00:00:00Z');
  const rows = await database.query<{ id: CredentialId }>`
    SELECT c.id FROM perennial.credential c JOIN perennial.customer u ON u.id = c.customer_id
    WHERE u.telegram_id > 1000000`;
  for (const { id } of rows) await addToBoth(api, formatUserName('perennial', id), id);
  await deleteMarks(database);
  await database.query`
    UPDATE perennial.credential SET retired_at = perennial.clock()
    WHERE subscription_id IN (SELECT id FROM perennial.subscription WHERE customer_id IN (
      SELECT id FROM perennial.customer WHERE telegram_id > 1000000))`;
  return database;
}

test('X3: a confirmation in the database releases the removals that a person saw, once', async () => {
  const database = await createManyRemovals();
  await runComparison(database, { requestedNode: 'nl-1' });
  const request = { worker: 'reconcile-xray-state', node: 'nl-1' };
  await confirmHeld(database.db, { ...request, held: 149 }, 'test');
  expect(await runComparison(database)).toMatchObject({ detail: { held: 150, marked: 0 } });
  await confirmHeld(database.db, { ...request, held: 150 }, 'test');
  expect(await runComparison(database)).toMatchObject({
    outcome: 'success',
    detail: { held: 0, marked: 150 },
  });
  await expect(confirmHeld(database.db, { ...request, held: 1 }, 'test')).rejects.toMatchObject({
    code: 'nothing_held',
  });
});

test('X3: implausibly many removals are held and alarmed until they are confirmed', async () => {
  const database = await createManyRemovals();
  const held = await runComparison(database, { requestedNode: 'nl-1' });
  expect(held).toMatchObject({ outcome: 'degraded', detail: { held: 150, marked: 0 } });
  expect(await readMarks(database)).toEqual([]);
  await runComparison(database, { requestedNode: 'nl-1' });
  const alarms = await sql`
    SELECT params FROM perennial.notification WHERE kind = 'alarm_guard'`.execute(database.db);
  expect(alarms.rows).toMatchObject([{ params: { subject: 'nl-1', held: 150 } }]);
  expect(await runComparison(database, { requestedNode: 'nl-1', confirmed: true })).toMatchObject({
    outcome: 'success',
    detail: { held: 0, marked: 150 },
  });
  expect(await readMarks(database)).toHaveLength(150);
});

test('X5: foreign users are counted and left alone, also with a name that is nearly ours', async () => {
  const { database, api } = await createScene();
  const id = () => randomUUID() as CredentialId;
  await addToBoth(api, 'bob@example.com', id());
  await addToBoth(api, 'perennial-bob', id());
  await addToBoth(api, `perennial2-${randomUUID()}`, id());
  expect(await compareOnce(database)).toMatchObject({ kinds: nothing, foreign: 3, newlyMarked: 0 });
});

test('X5: a foreign name with our UUID is reported as a conflict, and nothing is marked', async () => {
  const { database, api, ids, subscriptions } = await createScene();
  await addToBoth(api, 'panel-7', ids[0]);
  const found = await compareOnce(database);
  expect(found).toMatchObject({ kinds: { ...nothing, conflict: 1 }, newlyMarked: 0 });
  expect(found.sample).toMatchObject([
    { kind: 'conflict', name: 'panel-7', subscriptionId: subscriptions[0], telegramId: 1n },
  ]);
});

test("our name with another customer's UUID is a conflict: its removal would cut that customer off", async () => {
  const { database, api, ids } = await createScene();
  const name = formatUserName('perennial', ids[0]);
  for (const { tag } of both) await api.removeUser(tag, name, {});
  await addToBoth(api, name, ids[1]);
  expect(await compareOnce(database)).toMatchObject({
    kinds: { ...nothing, conflict: 1 },
    newlyMarked: 0,
  });
});

test('while a keeper seeds a restarted node, missing users are reported, not marked again', async () => {
  const { database, node } = await createScene();
  await database.query`UPDATE perennial.node SET boot_at = perennial.clock(), seeded_boot_at = NULL`;
  await node.restart();
  expect(await compareOnce(database)).toMatchObject({ kinds: { missing: 2 }, newlyMarked: 0 });
});

test('X6: an unnoticed restart is found: all who may connect are marked', async () => {
  const { database, node } = await createScene();
  await database.query`
    UPDATE perennial.node SET boot_at = perennial.clock(), seeded_boot_at = perennial.clock()`;
  await database.query`UPDATE perennial.node SET seeded_boot_at = boot_at`;
  await node.restart();
  expect(await compareOnce(database)).toMatchObject({ kinds: { missing: 2 }, newlyMarked: 2 });
});
