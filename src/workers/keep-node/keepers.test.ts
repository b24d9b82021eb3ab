import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import {
  aNode,
  equal,
  keep,
  marksOf,
  namesInBooks,
  nodeRow,
  settled,
  shopOn,
} from '../../../test/nodes/kept.ts';
import { until } from '../../../test/service/until.ts';
import { crowd, payer, runOf } from '../../../test/shop.ts';
import { newCredentialId } from '../../kernel/ids.ts';
import { stopwatch } from '../../kernel/stopwatch.ts';
import { revoke } from '../../subscription/granting.ts';
import { connectNode } from '../../xray/grpc/client.ts';
import { oldestUnconfirmed } from './store.ts';

const call = (books: { db: import('../../db/connect.ts').Db }) => ({ db: books.db, actor: 'test' });

test('who buys is on the node, on every inbound, and who is revoked is not', async () => {
  using node = await aNode([
    { tag: 'vless', protocol: 'vless' },
    { tag: 'trojan', protocol: 'trojan' },
  ]);
  await using books = await shopOn({ 'nl-1': { api: node.api, inbounds: ['vless', 'trojan'] } });
  await using keepers = keep(books);
  const id = await payer(books, 1n, 0n);
  await payer(books, 2n, 0n);
  await settled(books);
  expect([...node.names('vless')].sort()).toEqual(await namesInBooks(books));
  expect([...node.names('trojan')].sort()).toEqual(await namesInBooks(books));
  await revoke(call(books), { telegramId: 1n, subscriptionId: id, reason: 'test' });
  await settled(books);
  expect(node.names('trojan')).toHaveLength(1);
  expect([...node.names('vless')].sort()).toEqual(await namesInBooks(books));
  expect(keepers.kept()).toEqual(['nl-1']);
  expect(await nodeRow(books, 'nl-1')).toMatchObject({
    failures: 0,
    last_error: null,
    open_until: null,
  });
});

test('F2: who expired while a node was down is gone soon after it returned, the others are back', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  await crowd(books, 40, '2100-01-01T00:00:00Z');
  await using _ = keep(books);
  await equal(books, node);
  node.die();
  await until('the breaker is open', async () =>
    (await nodeRow(books, 'nl-1')).open_until === null ? undefined : true,
  );
  await sql`
    UPDATE perennial.subscription SET started_at = '2020-01-01Z',
      expires_at = perennial.clock() - interval '1 hour'
    WHERE id <= 5`.execute(books.db);
  expect(await runOf(books, 'fast-expiry-cleanup')).toMatchObject({ changed: 5n });
  expect(await oldestUnconfirmed(books.db)).toMatchObject({ node: 'nl-1' });
  await node.restart();
  await equal(books, node, 'vless', 10_000);
  await settled(books);
  expect(node.names('vless')).toHaveLength(35);
  // The next probe says so, up to 2 s after the work that went well again.
  await until('the node is well in the books', async () => {
    const { open_until, last_error, failures } = await nodeRow(books, 'nl-1');
    return open_until === null && last_error === null && failures === 0 ? true : undefined;
  });
});

test('F7: a removal that fails is tried until it is confirmed, and its age can be asked for', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  const id = await payer(books, 1n, 0n);
  await using _ = keep(books);
  await settled(books);
  let refusals = 0;
  node.conduct = ({ method }) => {
    if (method !== 'AlterInbound' || refusals === 4) return 'serve';
    refusals += 1;
    return 'garbage';
  };
  await revoke(call(books), { telegramId: 1n, subscriptionId: id, reason: 'test' });
  await until('two failures', async () => {
    const oldest = await oldestUnconfirmed(books.db);
    return (oldest?.attempts ?? 0) >= 2 ? oldest : undefined;
  }).then((oldest) => {
    expect(oldest).toMatchObject({ subscriptionId: id, node: 'nl-1' });
    expect(oldest.lastError).toMatch(/can't be read/);
  });
  expect((await nodeRow(books, 'nl-1')).last_error).toMatch(/can't be read/);
  await settled(books, 'nl-1', 40_000);
  expect(refusals).toBe(4);
  expect(node.names('vless')).toEqual([]);
  expect(await oldestUnconfirmed(books.db)).toBeUndefined();
}, 60_000);

test('S5: a node that hangs, one that flaps and one that lies delay no other', async () => {
  using well = await aNode();
  using hangs = await aNode();
  using flaps = await aNode();
  using lies = await aNode();
  await using books = await shopOn({
    a: { api: hangs.api },
    b: { api: flaps.api },
    c: { api: well.api },
    d: { api: lies.api },
  });
  await using _ = keep(books);
  lies.conduct = ({ method }) => (method === 'GetSysStats' ? 'serve' : 'garbage');
  hangs.conduct = () => 'hang';
  let calls = 0;
  flaps.conduct = () => {
    calls += 1;
    return calls % 3 === 0 ? 'hang' : 'serve';
  };
  for (let n = 1n; n <= 5n; n += 1n) {
    await payer(books, n, 0n);
    await settled(books, 'c', 3_000);
    expect([...well.names('vless')].sort()).toEqual(await namesInBooks(books));
  }
  hangs.conduct = () => 'serve';
  flaps.conduct = () => 'serve';
  lies.conduct = () => 'serve';
  await equal(books, hangs, 'vless', 30_000);
  await equal(books, flaps, 'vless', 30_000);
  await equal(books, lies, 'vless', 40_000);
}, 90_000);

// Few go alone at once; of many, some at once go first.
test.for<[number, number]>([
  [20, 2],
  [100, 3],
])(
  'S4: an add that dies with the node, among %i, is not repeated blindly, and put aside after %i deaths',
  { timeout: 90_000 },
  async ([customers, deathsMax]) => {
    using node = await aNode();
    await using books = await shopOn({ 'nl-1': { api: node.api } });
    await crowd(books, customers, '2100-01-01T00:00:00Z');
    const names = await namesInBooks(books);
    const killer = names[customers / 2];
    const sent: string[] = [];
    let deaths = 0;
    node.conduct = ({ method, name }) => {
      if (method !== 'AlterInbound') return 'serve';
      sent.push(name);
      if (name !== killer) return 'serve';
      deaths += 1;
      setTimeout(() => void node.restart(), 50);
      return 'die';
    };
    await using _ = keep(books);
    await until(
      'put aside',
      async () =>
        (await books.db.selectFrom('perennial.quarantine').selectAll().executeTakeFirst()) ??
        undefined,
      30_000,
    ).then((row) => expect(row).toMatchObject({ worker: 'keep-node' }));
    await until(
      'all others are there',
      () => (node.names('vless').length === customers - 1 ? true : undefined),
      30_000,
    );
    expect(deaths).toBeGreaterThan(1);
    expect(deaths).toBeLessThanOrEqual(deathsMax);
    // Others were there before it went for the last time.
    const last = sent.lastIndexOf(killer ?? '');
    const between = new Set(sent.slice(sent.indexOf(killer ?? '') + 1, last));
    expect(between.size).toBeGreaterThan(customers / 4);
    await until('its mark alone is left', async () =>
      (await marksOf(books)) === 1 ? true : undefined,
    );
    const alarm = await sql<{ params: object }>`
    SELECT params FROM perennial.notification WHERE kind = 'alarm_quarantine'`.execute(books.db);
    expect(alarm.rows[0]?.params).toMatchObject({ worker: 'keep-node', reason: 'kills_node' });
    expect(JSON.stringify(alarm.rows)).not.toContain(killer?.slice('perennial-'.length));
  },
);

test('S4: an inbound that is not there, or manages no users, is said, and nothing is sent', async () => {
  using door = await aNode([{ tag: 'door', protocol: 'door' }]);
  using other = await aNode([{ tag: 'other', protocol: 'vless' }]);
  using well = await aNode();
  const altered: string[] = [];
  for (const node of [door, other]) {
    node.conduct = ({ method, name }) => {
      if (method === 'AlterInbound') altered.push(name);
      return 'serve';
    };
  }
  await using books = await shopOn({
    a: { api: door.api, inbounds: ['door'] },
    b: { api: other.api },
    c: { api: well.api },
  });
  await payer(books, 1n, 0n);
  await using _ = keep(books);
  await settled(books, 'c');
  const errorOf = (id: string) =>
    until(`an error of ${id}`, async () => (await nodeRow(books, id)).last_error ?? undefined);
  expect(await errorOf('a')).toMatch(/"door" is a xray\.proxy\.dokodemo\.Config/);
  expect(await errorOf('b')).toMatch(/no inbound "vless" on this node; there is other/);
  expect(altered).toEqual([]);
});

test('keepers end within 3 s while their node hangs, and another process has the node at once', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  await payer(books, 1n, 0n);
  const asked: string[] = [];
  node.conduct = ({ method }) => {
    asked.push(method);
    return method === 'AlterInbound' ? 'hang' : 'serve';
  };
  const first = keep(books);
  await until('an add under way', () => (asked.includes('AlterInbound') ? true : undefined));
  const elapsedMs = stopwatch();
  await first.stop();
  expect(elapsedMs()).toBeLessThan(3_000);
  expect(await marksOf(books)).toBe(1);
  node.conduct = () => 'serve';
  await using _ = keep(books);
  await settled(books, 'nl-1', 5_000);
  expect([...node.names('vless')]).toEqual(await namesInBooks(books));
  expect((await nodeRow(books, 'nl-1')).keeper_epoch).toBe(2n);
});

test('S2: a node is let go when the calls under way have ended: none of them arrives after its successor was done', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  const id = await payer(books, 1n, 0n);
  const carriedOut: string[] = [];
  const slow = slowOnce(300, (name) => carriedOut.push(name));
  node.conduct = ({ method, name }) => (method === 'AlterInbound' ? slow(name) : 'serve');
  const first = keep(books);
  await slow.isUnderWay;
  await revoke(call(books), { telegramId: 1n, subscriptionId: id, reason: 'test' });
  await first.stop();
  await using _ = keep(books);
  await settled(books);
  await until('the slow one was carried out', () => (carriedOut.length > 0 ? true : undefined));
  expect(await marksOf(books)).toBe(0);
  expect(node.names('vless')).toEqual([]);
});

/** The first call takes so long, the ones after it don't. */
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

test('X6: a node that was started while nobody kept it is filled, also where others have as many users there', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  await crowd(books, 3, '2100-01-01T00:00:00Z');
  {
    await using _ = keep(books);
    await settled(books);
  }
  // As if the life that was seen had begun earlier.
  await sql`
    UPDATE perennial.node SET boot_at = boot_at - interval '61 s',
      seeded_boot_at = seeded_boot_at - interval '61 s'`.execute(books.db);
  await node.restart();
  const panel = connectNode({ api: node.api });
  for (const name of ['ann', 'bob', 'eve'])
    await panel.addUser('vless', { name, id: newCredentialId(), flow: '' });
  panel.close();
  await using _ = keep(books);
  const expected = [...(await namesInBooks(books)), 'ann', 'bob', 'eve'].sort();
  await until('ours are there again', () =>
    JSON.stringify([...node.names('vless')].sort()) === JSON.stringify(expected) ? true : undefined,
  );
});
