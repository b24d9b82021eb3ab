import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import type { Books } from '../../../test/books.ts';
import { compared, credentialOf, marked, unmark } from '../../../test/nodes/compared.ts';
import { type ANode, aNode, shopOn } from '../../../test/nodes/kept.ts';
import { crowd, payer } from '../../../test/shop.ts';
import type { Flow } from '../../kernel/flow.ts';
import type { CredentialId, SubscriptionId } from '../../kernel/ids.ts';
import { revoke } from '../../subscription/granting.ts';
import { connectNode } from '../../xray/grpc/client.ts';
import { userName } from '../../xray/names.ts';
import type { NodeApi } from '../../xray/port.ts';
import type { Found } from './one-node.ts';

const both = [
  { tag: 'vless', protocol: 'vless' },
  { tag: 'trojan', protocol: 'trojan' },
] as const;

interface Scene {
  readonly books: Books;
  readonly node: ANode;
  readonly api: NodeApi;
  /** Two who bought; both are on each inbound, and nothing is marked. */
  readonly subscriptions: readonly [SubscriptionId, SubscriptionId];
  readonly ids: readonly [CredentialId, CredentialId];
}

async function scene(): Promise<Scene> {
  const node = await aNode(both);
  const books = await shopOn({ 'nl-1': { api: node.api, inbounds: ['vless', 'trojan'] } });
  const api = connectNode({ api: node.api });
  onTestFinished(async () => {
    api.close();
    node.stop();
    await books.close();
  });
  const subscriptions = [await payer(books, 1n, 0n), await payer(books, 2n, 0n)] as const;
  const ids = [
    await credentialOf(books, subscriptions[0]),
    await credentialOf(books, subscriptions[1]),
  ] as const;
  for (const id of ids) await put(api, userName('perennial', id), id);
  await unmark(books);
  return { books, node, api, subscriptions, ids };
}

async function put(api: NodeApi, name: string, id: CredentialId, flow: Flow = '') {
  for (const { tag } of both) await api.addUser(tag, { name, id, flow }, {});
}

async function foundBy(books: Books, options = {}): Promise<Found> {
  const { ends } = await compared(books, { asked: 'nl-1', ...options });
  const [end] = ends;
  if (end?.end !== 'compared') throw new Error(`not compared: ${JSON.stringify(end)}`);
  return end.found;
}

const nothing = { missing: 0, unwanted: 0, different: 0, unknown: 0, conflict: 0 };

test('a node that equals the books has no drift, and nothing is marked', async () => {
  const { books } = await scene();
  expect(await foundBy(books)).toMatchObject({ kinds: nothing, newlyMarked: 0, ours: 2, users: 4 });
  expect(await marked(books)).toEqual([]);
});

test('X1: who may connect and is not on every inbound is missing, and marked', async () => {
  const { books, api, ids, subscriptions } = await scene();
  await api.removeUser('trojan', userName('perennial', ids[0]), {});
  expect(await foundBy(books)).toMatchObject({ kinds: { ...nothing, missing: 1 }, newlyMarked: 1 });
  expect(await marked(books)).toEqual([
    { subscription: subscriptions[0], urgent: false, replace: false },
  ]);
  // What is marked already is on its way.
  expect(await foundBy(books)).toMatchObject({ kinds: { missing: 1 }, marked: 1, newlyMarked: 0 });
});

test('who may not connect any more and is there is marked for removal, before all others', async () => {
  const { books, subscriptions } = await scene();
  const [subscriptionId] = subscriptions;
  await revoke({ db: books.db, actor: 'test' }, { telegramId: 1n, subscriptionId, reason: 'x' });
  await unmark(books);
  expect(await foundBy(books)).toMatchObject({ kinds: { ...nothing, unwanted: 1 } });
  expect(await marked(books)).toEqual([
    { subscription: subscriptionId, urgent: true, replace: false },
  ]);
});

test('who may connect elsewhere only is marked for removal here', async () => {
  const { books } = await scene();
  await sql`UPDATE perennial.node SET groups = '{fast}'`.execute(books.db);
  expect(await foundBy(books)).toMatchObject({
    kinds: { ...nothing, unwanted: 2 },
    newlyMarked: 2,
  });
});

test('our name with another UUID, or another flow, is replaced', async () => {
  const { books, api, ids, subscriptions } = await scene();
  const [first, second] = ids.map((id) => userName('perennial', id)) as [string, string];
  await api.removeUser('trojan', first, {});
  await api.addUser('trojan', { name: first, id: randomUUID() as CredentialId, flow: '' }, {});
  await api.removeUser('vless', second, {});
  await api.addUser('vless', { name: second, id: ids[1], flow: 'xtls-rprx-vision' }, {});
  expect(await foundBy(books)).toMatchObject({ kinds: { ...nothing, different: 2 } });
  expect(await marked(books)).toEqual(
    subscriptions.map((subscription) => ({ subscription, urgent: false, replace: true })),
  );
});

test('the flow of the link is what a VLESS inbound has to have, and Trojan has none', async () => {
  const { books, api, ids } = await scene();
  await sql`UPDATE perennial.node SET link = link || '{"flow": "xtls-rprx-vision-udp443"}'`.execute(
    books.db,
  );
  expect(await foundBy(books)).toMatchObject({ kinds: { ...nothing, different: 2 } });
  await unmark(books);
  for (const id of ids) {
    const name = userName('perennial', id);
    await api.removeUser('vless', name, {});
    await api.addUser('vless', { name, id, flow: 'xtls-rprx-vision' }, {});
  }
  expect(await foundBy(books)).toMatchObject({ kinds: nothing });
});

test('X3: our names that the books have never heard of are reported, and nothing is written unless a person confirms', async () => {
  const { books, api } = await scene();
  const id = randomUUID() as CredentialId;
  await put(api, userName('perennial', id), id);
  const name = userName('perennial', id);
  const strays = async () =>
    (await sql<{ name: string }>`SELECT name FROM perennial.stray`.execute(books.db)).rows;
  const found = await foundBy(books);
  const reported = { kinds: { ...nothing, unknown: 1 }, newlyMarked: 0 };
  expect(found).toMatchObject({ ...reported, newlyConfirmed: 0 });
  expect(found.sample).toMatchObject([{ kind: 'unknown', name, marked: false }]);
  expect(await strays()).toEqual([]);
  expect(await foundBy(books, { confirmed: true })).toMatchObject({
    ...reported,
    newlyConfirmed: 1,
  });
  expect(await strays()).toEqual([{ name }]);
  expect(await marked(books)).toEqual([]);
  expect((await foundBy(books)).sample).toMatchObject([{ kind: 'unknown', name, marked: true }]);
});

test('X3: with empty books a full node is reported, and nobody is marked', async () => {
  const { api, node } = await scene();
  await using empty = await shopOn({
    'nl-1': { api: node.api, inbounds: ['vless', 'trojan'] },
  });
  expect(await foundBy(empty)).toMatchObject({ kinds: { ...nothing, unknown: 2 }, newlyMarked: 0 });
  expect(await api.countUsers('vless', {})).toBe(2);
});

test('X3: more removals than one can believe are held and alarmed until they are confirmed', async () => {
  const { books, api } = await scene();
  await crowd(books, 150, '2100-01-01T00:00:00Z');
  const { rows } = await sql<{ id: CredentialId }>`
    SELECT c.id FROM perennial.credential c JOIN perennial.customer u ON u.id = c.customer_id
    WHERE u.telegram_id > 1000000`.execute(books.db);
  for (const { id } of rows) await put(api, userName('perennial', id), id);
  await unmark(books);
  await sql`
    UPDATE perennial.credential SET retired_at = perennial.clock()
    WHERE subscription_id IN (SELECT id FROM perennial.subscription WHERE customer_id IN (
      SELECT id FROM perennial.customer WHERE telegram_id > 1000000))`.execute(books.db);
  const held = await compared(books, { asked: 'nl-1' });
  expect(held).toMatchObject({ outcome: 'degraded', detail: { held: 150, marked: 0 } });
  expect(await marked(books)).toEqual([]);
  await compared(books, { asked: 'nl-1' });
  const alarms = await sql`
    SELECT params FROM perennial.notification WHERE kind = 'alarm_guard'`.execute(books.db);
  expect(alarms.rows).toMatchObject([{ params: { subject: 'nl-1', held: 150 } }]);
  expect(await compared(books, { asked: 'nl-1', confirmed: true })).toMatchObject({
    outcome: 'success',
    detail: { held: 0, marked: 150 },
  });
  expect(await marked(books)).toHaveLength(150);
});

test('X5: users of others are counted and left alone, also with a name that is nearly ours', async () => {
  const { books, api } = await scene();
  const id = () => randomUUID() as CredentialId;
  await put(api, 'bob@example.com', id());
  await put(api, 'perennial-bob', id());
  await put(api, `perennial2-${randomUUID()}`, id());
  expect(await foundBy(books)).toMatchObject({ kinds: nothing, foreign: 3, newlyMarked: 0 });
});

test("X5: somebody else's name with our UUID is reported as a conflict, and nothing is marked", async () => {
  const { books, api, ids, subscriptions } = await scene();
  await put(api, 'panel-7', ids[0]);
  const found = await foundBy(books);
  expect(found).toMatchObject({ kinds: { ...nothing, conflict: 1 }, newlyMarked: 0 });
  expect(found.sample).toMatchObject([
    { kind: 'conflict', name: 'panel-7', subscriptionId: subscriptions[0], telegramId: 1n },
  ]);
});

test("a name of ours with another customer's UUID is a conflict: its removal would cut him off", async () => {
  const { books, api, ids } = await scene();
  const name = userName('perennial', ids[0]);
  for (const { tag } of both) await api.removeUser(tag, name, {});
  await put(api, name, ids[1]);
  expect(await foundBy(books)).toMatchObject({
    kinds: { ...nothing, conflict: 1 },
    newlyMarked: 0,
  });
});

test('while a keeper fills a node that was started, those who miss are reported, not marked again', async () => {
  const { books, node } = await scene();
  await sql`UPDATE perennial.node SET boot_at = perennial.clock(), seeded_boot_at = NULL`.execute(
    books.db,
  );
  await node.restart();
  expect(await foundBy(books)).toMatchObject({ kinds: { missing: 2 }, newlyMarked: 0 });
});

test('X6: a restart that nobody noticed is found: all who may connect are marked', async () => {
  const { books, node } = await scene();
  await sql`
    UPDATE perennial.node SET boot_at = perennial.clock(), seeded_boot_at = perennial.clock()`.execute(
    books.db,
  );
  await sql`UPDATE perennial.node SET seeded_boot_at = boot_at`.execute(books.db);
  await node.restart();
  expect(await foundBy(books)).toMatchObject({ kinds: { missing: 2 }, newlyMarked: 2 });
});
