import { expect, test } from 'vitest';
import { runMarkingJobs } from '../../../../../src/access/marking-jobs.ts';
import { drainNode } from '../../../../../src/catalog/remove-node.ts';
import { buildNodeRemoveCommand } from '../../../../../src/cli/commands/node/remove.ts';
import { readClock } from '../../../../../src/db/clock.ts';
import { inTransaction } from '../../../../../src/db/connect.ts';
import { dayMs } from '../../../../../src/kernel/instant.ts';
import { watchClock } from '../../../../../src/runs/clock/watch.ts';
import { applyFile, runCommand } from '../../../../support/command-line.ts';
import { deleteMarks } from '../../../../support/comparison.ts';
import type { TestDatabase } from '../../../../support/database.ts';
import { expectFault } from '../../../../support/faults.ts';
import { installFaultyClock } from '../../../../support/faulty-clock.ts';
import {
  countMarks,
  createShopWithNodes,
  expectSynced,
  readNode,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../../../support/nodes.ts';
import { createEndingSubscribers, createSubscriber } from '../../../../support/shop.ts';

// `perennial apply FILE --yes` with changes of nodes, in this process, as a script runs it.

const applyNodes = (database: TestDatabase, nodes: string, ...options: string[]) =>
  applyFile(database, `nodes:\n${nodes}\n`, ...options);

const nodeYaml = (api: string, inbounds = 'vless') =>
  `  - { id: a, api: "${api}", groups: [all], inbounds: [${inbounds}], link: { host: nl1.example, port: 443 } }`;

test('another address is refused without --moved, which states that the old server is gone', async () => {
  using before = await startNode();
  using after = await startNode();
  await using database = await createShopWithNodes({ a: { api: before.api } });
  await createSubscriber(database, 1n, 0n);
  {
    await using _ = startTestKeepers(database);
    await expectSynced(database, before);
    await untilSynced(database);
  }
  for (const options of [[], ['--dry-run']]) {
    await expect(applyNodes(database, nodeYaml(after.api), ...options)).rejects.toMatchObject({
      code: 'node_moved',
      message: expect.stringMatching(
        /nodes: "a" has the api .* in the database and .* in the file; .*pass --moved a; .*"perennial node remove a"/,
      ),
    });
  }
  expect(await readNode(database, 'a')).toMatchObject({ api: before.api });
  // The old machine is switched off, and another machine replaces it.
  before.stop();
  expect(await applyNodes(database, nodeYaml(after.api), '--moved', 'a')).toMatch(
    new RegExp(`^~ node a: api ${before.api} -> ${after.api}\n1 change made\n$`),
  );
  await using _ = startTestKeepers(database);
  await expectSynced(database, after);
  await untilSynced(database);
});

test('the same server at another address gets all pending changes', async () => {
  const both = [
    { tag: 'vless', protocol: 'vless' },
    { tag: 'trojan', protocol: 'trojan' },
  ] as const;
  using node = await startNode(both);
  await using database = await createShopWithNodes({
    a: { api: node.api, inbounds: ['vless', 'trojan'] },
  });
  await createSubscriber(database, 1n, 0n);
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
  }
  expect(node.listUserNames('trojan')).toHaveLength(1);
  await applyNodes(database, nodeYaml(node.api));
  await applyNodes(database, nodeYaml(node.api.replace('127.0.0.1', 'localhost')), '--moved', 'a');
  await using _ = startTestKeepers(database);
  await untilSynced(database);
  expect(node.listUserNames('trojan')).toEqual([]);
  await expectSynced(database, node);
});

test('a file that still has a draining node adds its users again only with --keep', async () => {
  await using database = await createShopWithNodes({ a: { api: '127.0.0.1:1' } });
  await createSubscriber(database, 1n, 0n);
  await inTransaction(database.db, async (tx) => drainNode(tx, 'a', 'test', await readClock(tx)));
  await runMarkingJobs(database.db);
  await deleteMarks(database);
  await expect(applyNodes(database, nodeYaml('127.0.0.1:1'))).rejects.toMatchObject({
    code: 'node_leaving',
    message: expect.stringMatching(/is draining.*remove it from the file, or pass --keep a/),
  });
  expect(await countMarks(database)).toBe(0);
  expect(await applyNodes(database, nodeYaml('127.0.0.1:1'), '--keep', 'a')).toContain(
    '~ node a: groups',
  );
  expect(await countMarks(database)).toBe(1);
});

const groupYaml = (groups: string) =>
  `  - { id: a, api: "127.0.0.1:1", groups: [${groups}], inbounds: [vless], link: { host: nl1.example, port: 443 } }`;

async function createManySubscribers(count: number): Promise<TestDatabase> {
  const database = await createShopWithNodes(
    { a: { api: '127.0.0.1:1' } },
    { now: '2026-11-25T09:00:00Z' },
  );
  await createEndingSubscribers(database, count, '2026-12-25T09:00:00Z');
  return database;
}

test('S9: apply refuses to take access from more than max(20, 10%) without the exact number', async () => {
  await using database = await createManySubscribers(21);
  for (const [options, code] of [
    [[], 'removals_not_confirmed'],
    [['--confirm-removals', '20'], 'removals_changed'],
    [['--confirm-removals', '22'], 'removals_changed'],
  ] as const) {
    await expect(applyNodes(database, groupYaml('al'), ...options)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(
        /21 of 21 running subscriptions lose access.*--confirm-removals 21/,
      ),
    });
  }
  expect(await readNode(database, 'a')).toMatchObject({ groups: ['all'] });
  const dry = JSON.parse(await applyNodes(database, groupYaml('al'), '--dry-run', '--json'));
  expect(dry).toMatchObject({
    ...{ changed: 0, lose_access: 21, gain_access: 0, running_subscriptions: 21 },
    access: [{ step: '~ node a: groups', lose_access: 21, gain_access: 0 }],
    needs_confirmation: true,
  });
  expect(dry.warnings).toEqual(
    expect.arrayContaining([
      'plan basic: no node has the group "all"',
      'node a: no plan has the group "al"',
    ]),
  );
  expect(await applyNodes(database, groupYaml('al'), '--confirm-removals', '21')).toContain(
    '~ node a: groups (running subscriptions that lose access: 21, that gain access: 0)',
  );
  expect(await readNode(database, 'a')).toMatchObject({ groups: ['al'] });
});

test('S9: 20 subscriptions lose access without a confirmation, and ended ones do not count', async () => {
  await using database = await createManySubscribers(21);
  await database.query`
    UPDATE perennial.subscription SET state = 'expired'
    WHERE id = (SELECT min(id) FROM perennial.subscription)`;
  expect(await applyNodes(database, groupYaml('al'))).toContain('lose access: 20');
});

const removeNode = (database: TestDatabase, ...options: string[]) =>
  runCommand(buildNodeRemoveCommand, database, ['a', ...options]);

test('S9: `node remove` also requires the exact number', async () => {
  await using database = await createManySubscribers(21);
  await expectFault(removeNode(database), 'removals_not_confirmed');
  expect(await readNode(database, 'a')).toMatchObject({ groups: ['all'] });
  await removeNode(database, '--confirm-removals', '21');
  expect(await readNode(database, 'a')).toMatchObject({ groups: ['perennial/leaving'] });
});

test.each([
  ['', []],
  [' --forget', ['--forget']],
])('K2: `node remove%s` waits while the time is suspect', async (_, options) => {
  await using database = await createShopWithNodes({ a: { api: '127.0.0.1:1' } });
  const clock = await installFaultyClock(database.db);
  await watchClock(database.db);
  await clock.jump(dayMs);
  await expectFault(removeNode(database, ...options), 'clock_suspect');
  expect(await readNode(database, 'a')).toMatchObject({ groups: ['all'] });
});

test('apply warns of a node API at a public address without TLS', async () => {
  await using database = await createShopWithNodes({ a: { api: '127.0.0.1:1' } });
  const node = (tls: string) =>
    `  - { id: b, api: "203.0.113.5:10085", tls: ${tls}, groups: [all], inbounds: [vless], link: { host: nl1.example, port: 443 } }`;
  const warned = async (tls: string) =>
    JSON.parse(await applyNodes(database, node(tls), '--dry-run', '--json')).warnings.join();
  expect(await warned('false')).toContain(
    'node b: the API 203.0.113.5:10085 is at a public address',
  );
  expect(await warned('true')).not.toContain('public address');
});
