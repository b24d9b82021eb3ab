import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { generateCredentialId } from '../../../../src/kernel/ids.ts';
import { stopwatch } from '../../../../src/kernel/stopwatch.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { readOldestUnconfirmed } from '../../../../src/workers/keep-node/store.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import { until } from '../../../../testbed/until.ts';
import {
  countMarks,
  createShopWithNodes,
  expectSynced,
  readEntitledNames,
  readNode,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import {
  createCaller,
  createEndingSubscribers,
  createSubscriber,
  runWorker,
} from '../../../support/shop.ts';

test('F2: users that expired while a node was down are removed after its return, and the others are added', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await createEndingSubscribers(database, 40, '2100-01-01T00:00:00Z');
  await using _ = startTestKeepers(database);
  await expectSynced(database, node);
  node.crash();
  await until('the breaker is open', async () =>
    (await readNode(database, 'nl-1')).open_until === null ? undefined : true,
  );
  await database.query`
    UPDATE perennial.subscription SET started_at = '2020-01-01Z',
      expires_at = perennial.clock() - interval '1 hour'
    WHERE id <= 5`;
  expect(await runWorker(database, 'fast-expiry-cleanup')).toMatchObject({ changed: 5n });
  expect(await readOldestUnconfirmed(database.db)).toMatchObject({ node: 'nl-1' });
  await node.restart();
  await expectSynced(database, node, 10_000);
  await untilSynced(database);
  expect(node.listUserNames('vless')).toHaveLength(35);
  // The next probe stores it, up to 2 s after the work has succeeded again.
  await until('the database has no fault of the node', async () => {
    const { open_until, last_error, failures } = await readNode(database, 'nl-1');
    return open_until === null && last_error === null && failures === 0;
  });
});

test('F7: a failed removal is retried until it is confirmed, and its age can be queried', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  const id = await createSubscriber(database, 1n, 0n);
  await using _ = startTestKeepers(database);
  await untilSynced(database);
  let refusals = 0;
  node.conduct = ({ method }) => {
    if (method !== 'AlterInbound' || refusals === 4) return 'serve';
    refusals += 1;
    return 'garbage';
  };
  await revoke(createCaller(database), { telegramId: 1n, subscriptionId: id, reason: 'test' });
  await until('two failures', async () => {
    const oldest = await readOldestUnconfirmed(database.db);
    return (oldest?.attempts ?? 0) >= 2 ? oldest : undefined;
  }).then((oldest) => {
    expect(oldest).toMatchObject({ subscriptionId: id, node: 'nl-1' });
    expect(oldest.lastError).toMatch(/can't be read/);
  });
  expect((await readNode(database, 'nl-1')).last_error).toMatch(/can't be read/);
  await untilSynced(database, 'nl-1', 40_000);
  expect(refusals).toBe(4);
  expect(node.listUserNames('vless')).toEqual([]);
  expect(await readOldestUnconfirmed(database.db)).toBeUndefined();
}, 60_000);

test('S5: nodes that hang, flap or answer falsely delay no other node', async () => {
  using healthyNode = await startNode();
  using hangingNode = await startNode();
  using flappingNode = await startNode();
  using corruptNode = await startNode();
  await using database = await createShopWithNodes({
    a: { api: hangingNode.api },
    b: { api: flappingNode.api },
    c: { api: healthyNode.api },
    d: { api: corruptNode.api },
  });
  await using _ = startTestKeepers(database);
  corruptNode.conduct = ({ method }) => (method === 'GetSysStats' ? 'serve' : 'garbage');
  hangingNode.conduct = () => 'hang';
  let calls = 0;
  flappingNode.conduct = () => {
    calls += 1;
    return calls % 3 === 0 ? 'hang' : 'serve';
  };
  for (let n = 1n; n <= 5n; n += 1n) {
    await createSubscriber(database, n, 0n);
    await untilSynced(database, 'c', 3_000);
    expect([...healthyNode.listUserNames('vless')].sort()).toEqual(
      await readEntitledNames(database),
    );
  }
  hangingNode.conduct = () => 'serve';
  flappingNode.conduct = () => 'serve';
  corruptNode.conduct = () => 'serve';
  await expectSynced(database, hangingNode, 30_000);
  await expectSynced(database, flappingNode, 30_000);
  await expectSynced(database, corruptNode, 40_000);
}, 90_000);

// A few suspects run alone at once. Many run in groups first.
test.for<[number, number]>([
  [20, 2],
  [100, 3],
])(
  'S4: an add that crashes the node, among %i, is quarantined after %i crashes',
  { timeout: 90_000 },
  async ([customers, crashesMax]) => {
    using node = await startNode();
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    await createEndingSubscribers(database, customers, '2100-01-01T00:00:00Z');
    const names = await readEntitledNames(database);
    const crasher = names[customers / 2];
    const sent: string[] = [];
    let crashes = 0;
    node.conduct = ({ method, name }) => {
      if (method !== 'AlterInbound') return 'serve';
      sent.push(name);
      if (name !== crasher) return 'serve';
      crashes += 1;
      setTimeout(() => void node.restart(), 50);
      return 'crash';
    };
    await using _ = startTestKeepers(database);
    await until(
      'the quarantine',
      async () =>
        (await database.db.selectFrom('perennial.quarantine').selectAll().executeTakeFirst()) ??
        undefined,
      30_000,
    ).then((row) => expect(row).toMatchObject({ worker: 'keep-node' }));
    await until(
      'all other users on the node',
      () => node.listUserNames('vless').length === customers - 1,
      30_000,
    );
    expect(crashes).toBeGreaterThan(1);
    expect(crashes).toBeLessThanOrEqual(crashesMax);
    // The other users are on the node before its last attempt.
    const last = sent.lastIndexOf(crasher ?? '');
    const between = new Set(sent.slice(sent.indexOf(crasher ?? '') + 1, last));
    expect(between.size).toBeGreaterThan(customers / 4);
    await until('its mark alone is left', async () => (await countMarks(database)) === 1);
    const alarm = await sql<{ params: object }>`
    SELECT params FROM perennial.notification WHERE kind = 'alarm_quarantine'`.execute(database.db);
    expect(alarm.rows[0]?.params).toMatchObject({ worker: 'keep-node', reason: 'kills_node' });
    expect(JSON.stringify(alarm.rows)).not.toContain(crasher?.slice('perennial-'.length));
  },
);

test('S4: a missing inbound, or one without users, is reported, and nothing is sent', async () => {
  using dokodemoNode = await startNode([{ tag: 'door', protocol: 'door' }]);
  using other = await startNode([{ tag: 'other', protocol: 'vless' }]);
  using healthyNode = await startNode();
  const alteredNames: string[] = [];
  for (const node of [dokodemoNode, other]) {
    node.conduct = ({ method, name }) => {
      if (method === 'AlterInbound') alteredNames.push(name);
      return 'serve';
    };
  }
  await using database = await createShopWithNodes({
    a: { api: dokodemoNode.api, inbounds: ['door'] },
    b: { api: other.api },
    c: { api: healthyNode.api },
  });
  await createSubscriber(database, 1n, 0n);
  await using _ = startTestKeepers(database);
  await untilSynced(database, 'c');
  const readError = (id: string) =>
    until(`an error of ${id}`, async () => (await readNode(database, id)).last_error ?? undefined);
  expect(await readError('a')).toMatch(/"door" is a xray\.proxy\.dokodemo\.Config/);
  expect(await readError('b')).toMatch(/no inbound "vless" on this node; available: other/);
  expect(alteredNames).toEqual([]);
});

test('keepers end within 3 s while their node hangs, and another process gets the node at once', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await createSubscriber(database, 1n, 0n);
  const methods: string[] = [];
  node.conduct = ({ method }) => {
    methods.push(method);
    return method === 'AlterInbound' ? 'hang' : 'serve';
  };
  const first = startTestKeepers(database);
  await until('an add under way', () => methods.includes('AlterInbound'));
  const elapsedMs = stopwatch();
  await first.stop();
  expect(elapsedMs()).toBeLessThan(3_000);
  expect(await countMarks(database)).toBe(1);
  node.conduct = () => 'serve';
  await using _ = startTestKeepers(database);
  await untilSynced(database, 'nl-1', 5_000);
  expect([...node.listUserNames('vless')]).toEqual(await readEntitledNames(database));
  expect((await readNode(database, 'nl-1')).keeper_epoch).toBe(2n);
});

test('S2: a node is released after its pending calls have ended, so none arrives after calls of the next keeper', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  const id = await createSubscriber(database, 1n, 0n);
  const completed: string[] = [];
  const slow = slowOnce(300, (name) => completed.push(name));
  node.conduct = ({ method, name }) => (method === 'AlterInbound' ? slow(name) : 'serve');
  const first = startTestKeepers(database);
  await slow.isUnderWay;
  await revoke(createCaller(database), { telegramId: 1n, subscriptionId: id, reason: 'test' });
  await first.stop();
  await using _ = startTestKeepers(database);
  await untilSynced(database);
  await until('the slow call was executed', () => completed.length > 0);
  expect(await countMarks(database)).toBe(0);
  expect(node.listUserNames('vless')).toEqual([]);
});

/** Delays only the first call by this time. */
function slowOnce(ms: number, whenDone: (name: string) => void) {
  const begun = Promise.withResolvers<void>();
  let isFirst = true;
  const conduct = async (name: string) => {
    if (!isFirst) return 'serve' as const;
    isFirst = false;
    begun.resolve();
    await pause(ms);
    setImmediate(() => whenDone(name));
    return 'serve' as const;
  };
  return Object.assign(conduct, { isUnderWay: begun.promise });
}

test('X6: a node that restarted without a keeper is seeded, also if other programs have as many users there', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await createEndingSubscribers(database, 3, '2100-01-01T00:00:00Z');
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
  }
  // As if the last boot had started earlier.
  await database.query`
    UPDATE perennial.node SET boot_at = boot_at - interval '61 s',
      seeded_boot_at = seeded_boot_at - interval '61 s'`;
  await node.restart();
  const panel = connectNode({ api: node.api });
  for (const name of ['ann', 'bob', 'eve'])
    await panel.addUser('vless', { name, id: generateCredentialId(), flow: '' });
  panel.close();
  await using _ = startTestKeepers(database);
  const expected = [...(await readEntitledNames(database)), 'ann', 'bob', 'eve'].sort();
  await until(
    'our users are on the node again',
    () => JSON.stringify([...node.listUserNames('vless')].sort()) === JSON.stringify(expected),
  );
});
