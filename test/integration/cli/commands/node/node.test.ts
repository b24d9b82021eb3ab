import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { buildNodeCommand } from '../../../../../src/cli/commands/node/node.ts';
import type { CredentialId } from '../../../../../src/kernel/ids.ts';
import { connectNode } from '../../../../../src/xray/grpc/client.ts';
import { formatUserName } from '../../../../../src/xray/user-names.ts';
import { until } from '../../../../../testbed/until.ts';
import { runCommand } from '../../../../support/command-line.ts';
import { deleteMarks, readCredential, readMarks } from '../../../../support/comparison.ts';
import type { TestDatabase } from '../../../../support/database.ts';
import {
  createShopWithNodes,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../../../support/nodes.ts';
import { createSubscriber } from '../../../../support/shop.ts';

// `perennial node …`, in this process.

const runNodeCommand = (database: TestDatabase, ...words: string[]) =>
  runCommand(buildNodeCommand, database, words);

async function runNodeJson<T>(database: TestDatabase, ...words: string[]): Promise<T> {
  return JSON.parse((await runNodeCommand(database, ...words, '--json')).out) as T;
}

test('`node list` shows a link that no inbound fits until the keeper finds it valid', async () => {
  using server = await startNode([{ tag: 'vless', protocol: 'trojan' }]);
  await using database = await createShopWithNodes({ a: { api: server.api } });
  await using _ = startTestKeepers(database);
  const listed = async () =>
    (await runNodeJson<{ link_error: string | null }[]>(database, 'list'))[0];
  const found = await until('the link is compared', async () => {
    const error = (await listed())?.link_error;
    return error === null ? undefined : error;
  });
  expect(found).toBe('link.protocol: "vless" is not the protocol of an inbound; expected trojan');
  const { out } = await runNodeCommand(database, 'list');
  expect(out).toMatch(/LINK +GROUPS\n/);
  expect(out).toMatch(/ wrong +all\na: link\.protocol: "vless" is not/);
  await database.query`UPDATE perennial.node SET link = link || '{"protocol": "trojan"}'`;
  await until('the changed link is compared', async () => (await listed())?.link_error === null);
});

test('`node list` shows status, pending changes and the oldest unconfirmed removal of each node', async () => {
  await using database = await createShopWithNodes(
    { a: { api: '127.0.0.1:1' } },
    { now: '2026-11-24T09:00:00Z' },
  );
  await createSubscriber(database, 1n, 0n);
  await database.query`UPDATE perennial.credential SET retired_at = '2026-11-24T08:00:00Z'`;
  await database.query`
    UPDATE perennial.node SET failures = 3, down_since = '2026-11-24T08:30:00Z', open_until = '2026-11-24T09:00:30Z',
      last_error = '127.0.0.1:1: no connection'`;
  expect(await runNodeJson(database, 'list')).toEqual([
    {
      id: 'a',
      api: '127.0.0.1:1',
      groups: ['all'],
      inbounds: ['vless'],
      leaving: false,
      last_seen_at: null,
      down_since: '2026-11-24T08:30:00.000Z',
      failures: 3,
      open_until: '2026-11-24T09:00:30.000Z',
      marks_waiting: 1,
      additions_waiting: 0,
      removals_waiting: 1,
      confirmed_waiting: 0,
      seeding: false,
      seed_marked: 0,
      oldest_unconfirmed_removal: '2026-11-24T08:00:00.000Z',
      last_error: '127.0.0.1:1: no connection',
      link_error: null,
      reconciled_at: null,
      reconcile_error: null,
    },
  ]);
  const { out } = await runNodeCommand(database, 'list');
  expect(out).toBe(
    [
      'NODE  STATUS       CONTACT  ADDS  REMOVALS  AGE     LINK  GROUPS',
      'a     down 30 min  never       -         1  60 min  ok    all',
      'a: down since 2026-11-24 08:30Z (30 min ago)',
      'a: 127.0.0.1:1: no connection',
      '1 node at 2026-11-24 09:00Z: 0 up, 1 down, 1 pending change',
      '',
    ].join('\n'),
  );
  const { out: wide } = await runNodeCommand(database, 'list', '--wide');
  expect(wide).toMatch(/GROUPS +API +INBOUNDS\n.* all +127\.0\.0\.1:1 +vless\n/);
});

test.each<[status: string, row: { down_since: string | null; groups?: string[] }]>([
  ['up', { down_since: null }],
  ['down 30 min', { down_since: '2026-11-24T08:30:00Z' }],
  ['draining', { down_since: null, groups: ['perennial/leaving'] }],
  ['draining, down 30 min', { down_since: '2026-11-24T08:30:00Z', groups: ['perennial/leaving'] }],
])('`node list` shows the status "%s"', async (status, row) => {
  const now = '2026-11-24T09:00:00Z';
  await using database = await createShopWithNodes({ a: { api: '127.0.0.1:1' } }, { now });
  await database.db.updateTable('perennial.node').set(row).execute();
  const [, line] = (await runNodeCommand(database, 'list')).out.split('\n');
  expect(line).toContain(`  ${status}  `);
});

test('`node check` shows the state of each node, and exits with 1 if one is unreachable or misconfigured', async () => {
  using well = await startNode([
    { tag: 'vless', protocol: 'vless' },
    { tag: 'door', protocol: 'door' },
  ]);
  await using database = await createShopWithNodes({
    a: { api: well.api },
    b: { api: '127.0.0.1:1' },
    c: { api: well.api.replace('127.0.0.1', 'localhost'), inbounds: ['door', 'gone'] },
  });
  expect(await runNodeCommand(database, 'check', 'a')).toMatchObject({
    out: expect.stringMatching(/^a: reachable at .*\n {2}vless: vless, 0 users\n$/),
    code: undefined,
  });
  const { out, code } = await runNodeCommand(database, 'check');
  expect(code).toBe(1);
  expect(out).toMatch(/b: unreachable: 127\.0\.0\.1:1: no connection/);
  expect(out).toMatch(/door: misconfigured: is a xray\.proxy\.dokodemo\.Config/);
  expect(out).toMatch(
    /gone: misconfigured: is not an inbound of this node; available: vless, door/,
  );
  expect(await runNodeJson(database, 'check', 'a')).toMatchObject([
    { id: 'a', well: true, version: '25.6.7 or newer', error: null },
  ]);
});

test.each(['check', 'reconcile', 'adopt', 'remove'])(
  '`node %s` of an unknown node names the available ones',
  async (command) => {
    await using database = await createShopWithNodes({
      a: { api: '127.0.0.1:1' },
      b: { api: '127.0.0.1:2' },
    });
    const words = command === 'adopt' ? ['x', '--all'] : ['x'];
    await expect(runNodeCommand(database, command, ...words)).rejects.toThrow(
      'ID: "x" is not a node; available: a, b',
    );
  },
);

test('`node reconcile` marks the differences; --dry-run only lists them', async () => {
  using there = await startNode();
  await using database = await createShopWithNodes({ a: { api: there.api } });
  const api = connectNode({ api: there.api });
  const id = await createSubscriber(database, 42n, 0n);
  const stray = randomUUID() as CredentialId;
  await api.addUser('vless', { name: formatUserName('perennial', stray), id: stray, flow: '' }, {});
  api.close();
  await deleteMarks(database);
  const dry = await runNodeCommand(database, 'reconcile', 'a', '--dry-run');
  expect(dry.out).toContain(`missing: 1\n    customer 42, subscription ${id}: may connect`);
  expect(dry.out).toContain(`perennial-${stray}: has our name, but is not in the database`);
  expect(await readMarks(database, 'a')).toEqual([]);
  const done = await runNodeCommand(database, 'reconcile');
  expect(done.out).toContain('marked now: 1');
  expect(done.out).toMatch(/unknown: not removed; .*pass --confirm to remove them/);
  expect((await runNodeCommand(database, 'reconcile', '--confirm')).out).toMatch(
    /confirmed, to be removed: 1/,
  );
  expect(await readMarks(database, 'a')).toHaveLength(1);
  expect(await runNodeJson(database, 'reconcile')).toMatchObject([
    { node: 'a', outcome: 'compared', missing: 1, unknown: 1, already_marked: 2, marked: 0 },
  ]);
});

test('`node adopt` lists conflicts with --dry-run, refuses other names, and takes conflicts over', async () => {
  using there = await startNode();
  await using database = await createShopWithNodes({
    a: { api: there.api },
    b: { api: '127.0.0.1:1' },
  });
  const api = connectNode({ api: there.api });
  const subscriptionId = await createSubscriber(database, 42n, 0n);
  const id = await readCredential(database, subscriptionId);
  for (const name of ['panel-7', 'panel-8']) await api.addUser('vless', { name, id, flow: '' }, {});
  api.close();
  expect(await runNodeJson(database, 'adopt', 'a', 'panel-7', '--dry-run')).toEqual({
    node: 'a',
    dry_run: true,
    adopted: 1,
    sample: [{ name: 'panel-7', telegram_id: 42, subscription_id: Number(subscriptionId) }],
    conflicts_left: 1,
  });
  await expect(runNodeCommand(database, 'adopt', 'a', 'bob')).rejects.toThrow(
    'node a: "bob" is not a name with the UUID of a customer; available: "panel-7", "panel-8"',
  );
  for (const words of [[], ['panel-7', '--all']]) {
    await expect(runNodeCommand(database, 'adopt', 'a', ...words)).rejects.toThrow(
      'NAME: expected names, or --all instead of names',
    );
  }
  await expect(runNodeCommand(database, 'adopt', 'b', '--all')).rejects.toThrow(
    /127\.0\.0\.1:1: no connection/,
  );
  expect((await runNodeCommand(database, 'reconcile', 'a')).out).toMatch(
    /"perennial node adopt a NAME"/,
  );
  const { out } = await runNodeCommand(database, 'adopt', 'a', '--all');
  expect(out).toMatch(/^a: 2 names marked; the keeper takes over\n {2}"panel-7": customer 42, /);
  await using _ = startTestKeepers(database);
  await until(
    'the names are taken over',
    async () =>
      (await runNodeJson<{ confirmed_waiting: number }[]>(database, 'list'))[0]
        ?.confirmed_waiting === 0,
  );
  await untilSynced(database, 'a');
  expect(there.accepts('vless', id)).toBe(true);
  expect((await runNodeCommand(database, 'adopt', 'a', '--all')).out).toMatch(
    /^a: no conflicts; no foreign name/,
  );
});

test('`node reconcile` of a node that is down exits with 1', async () => {
  await using database = await createShopWithNodes({ a: { api: '127.0.0.1:1' } });
  for (const options of [[], ['--dry-run']]) {
    const { out, code } = await runNodeCommand(database, 'reconcile', ...options);
    expect(out).toMatch(/^a: could not be compared: 127\.0\.0\.1:1: no connection/);
    expect(code).toBe(1);
  }
});

test('`node remove` drains a node of our users, leaves foreign ones, and then deletes the node', async () => {
  using there = await startNode();
  await using database = await createShopWithNodes({ a: { api: there.api } });
  const api = connectNode({ api: there.api });
  await api.addUser('vless', { name: 'bob', id: randomUUID() as CredentialId, flow: '' }, {});
  api.close();
  for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n)
    await createSubscriber(database, telegramId, 0n);
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
    expect(there.listUserNames('vless')).toHaveLength(4);
  }
  expect(await runNodeJson(database, 'remove', 'a')).toEqual({
    id: 'a',
    state: 'draining',
    marks_waiting: 3,
  });
  expect((await runNodeCommand(database, 'list')).out).toMatch(/ draining.* 3 /);
  expect((await runNodeCommand(database, 'remove', 'a')).out).toMatch(
    /^a: draining: 3 users left\. Run this command again later\.\n/,
  );
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
  }
  expect(there.listUserNames('vless')).toEqual(['bob']);
  expect(await runNodeJson(database, 'remove', 'a')).toEqual({
    id: 'a',
    state: 'removed',
    marks_waiting: 0,
  });
  expect(await runNodeJson(database, 'list')).toEqual([]);
});

test('`node remove` does not delete a node that has users of ours or is unreachable', async () => {
  using there = await startNode();
  await using database = await createShopWithNodes({
    a: { api: there.api },
    b: { api: '127.0.0.1:1' },
  });
  const api = connectNode({ api: there.api });
  const stray = randomUUID() as CredentialId;
  await api.addUser('vless', { name: formatUserName('perennial', stray), id: stray, flow: '' }, {});
  api.close();
  await expect(runNodeCommand(database, 'remove', 'a')).rejects.toThrow(/1 user of ours left/);
  await expect(runNodeCommand(database, 'remove', 'b')).rejects.toThrow(
    /no connection.*or pass --forget/,
  );
  await createSubscriber(database, 1n, 0n);
  await runNodeJson(database, 'remove', 'a', '--forget');
  await runNodeJson(database, 'remove', 'b', '--forget');
  expect(await runNodeJson(database, 'list')).toEqual([]);
  expect(there.listUserNames('vless')).toHaveLength(1);
});

test('a purchase that marks every node succeeds while a node is deleted', async () => {
  await using database = await createShopWithNodes({
    a: { api: '127.0.0.1:1' },
    b: { api: '127.0.0.1:2' },
  });
  const bought = Promise.all(
    [1n, 2n, 3n, 4n, 5n].map((telegramId) => createSubscriber(database, telegramId, 0n)),
  );
  await runNodeJson(database, 'remove', 'a', '--forget');
  expect(await bought).toHaveLength(5);
  expect(await readMarks(database, 'b')).toHaveLength(5);
});
