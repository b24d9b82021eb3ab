import { expect, onTestFinished, test } from 'vitest';
import { readCustomerLinks } from '../../../src/catalog/links.ts';
import { buildRunCommand } from '../../../src/cli/commands/run/run.ts';
import { generateCredentialId } from '../../../src/kernel/ids.ts';
import type { CallBehavior } from '../../../src/xray/embedded/node.ts';
import { connectNode } from '../../../src/xray/grpc/client.ts';
import { until } from '../../../testbed/until.ts';
import { applyConfig, createConfig } from '../../support/catalog.ts';
import type { TestDatabase } from '../../support/database.ts';
import {
  countMarks,
  createShopWithNodes,
  expectSynced,
  readNode,
  startNode,
  startTestKeepers,
  type TestNode,
  untilSynced,
} from '../../support/nodes.ts';
import { createSubscriber } from '../../support/shop.ts';

// `apply` adds and changes a node while customers are connected through other nodes.

interface ListedNode {
  readonly id: string;
  readonly node: TestNode;
  readonly host: string;
  readonly inbounds?: readonly string[];
}

function applyNodes(database: TestDatabase, ...nodes: readonly ListedNode[]): Promise<string[]> {
  const text = nodes.map(
    ({ id, node, host, inbounds = ['vless'] }) =>
      `- { id: ${id}, api: "${node.api}", groups: [all], inbounds: [${inbounds}], link: { host: ${host}, port: 443 } }`,
  );
  return applyConfig(database, createConfig(`nodes:\n${text.join('\n')}\n`));
}

test('a new node receives all entitled users beside the nodes that exist', async () => {
  using first = await startNode();
  using second = await startNode();
  await using database = await createShopWithNodes({});
  const [a, b] = [
    { id: 'a', node: first, host: 'a.example' },
    { id: 'b', node: second, host: 'b.example' },
  ];
  await applyNodes(database, a);
  await using _ = startTestKeepers(database);
  for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n)
    await createSubscriber(database, telegramId, 0n);
  await expectSynced(database, first);
  expect(await applyNodes(database, a, b)).toEqual([`+ node b: ${second.api}`]);
  await expectSynced(database, second);
  await untilSynced(database);
  await createSubscriber(database, 4n, 0n);
  for (const node of [first, second]) await expectSynced(database, node);
});

test('a new public host changes all links and nothing else: the node is not called', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({});
  await applyNodes(database, { id: 'a', node, host: 'a.example' });
  await createSubscriber(database, 1n, 0n);
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
  }
  const [before] = await readCustomerLinks(database.db, 1n);
  const altered: string[] = [];
  node.conduct = ({ method }) => {
    if (method === 'AlterInbound') altered.push(method);
    return 'serve';
  };
  await applyNodes(database, { id: 'a', node, host: 'b.example' });
  expect(await countMarks(database)).toBe(0);
  const [after] = await readCustomerLinks(database.db, 1n);
  expect(after?.link).toBe(before?.link?.replace('a.example', 'b.example'));
  expect(after?.link).not.toBe(before?.link);
  await using _ = startTestKeepers(database);
  await createSubscriber(database, 2n, 0n);
  await expectSynced(database, node);
  // Only the new customer is added.
  expect(altered).toHaveLength(1);
});

test('a dropped inbound loses our users, also those that end later; other users stay', async () => {
  const both = [
    { tag: 'vless', protocol: 'vless' },
    { tag: 'trojan', protocol: 'trojan' },
  ] as const;
  using node = await startNode(both);
  await using database = await createShopWithNodes({});
  const at = (...inbounds: string[]) => ({ id: 'a', node, host: 'a.example', inbounds });
  await applyNodes(database, at('vless', 'trojan'));
  const api = connectNode({ api: node.api });
  onTestFinished(() => api.close());
  await api.addUser('vless', { name: 'bob', id: generateCredentialId(), flow: '' });
  for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n)
    await createSubscriber(database, telegramId, 0n);
  await using _ = startTestKeepers(database);
  await untilSynced(database);
  expect(node.listUserNames('vless')).toHaveLength(4);
  await applyNodes(database, at('trojan'));
  await untilSynced(database);
  expect(node.listUserNames('vless')).toEqual(['bob']);
  await expectSynced(database, node, undefined, 'trojan');
  // An inbound that is named again gets our users again.
  await applyNodes(database, at('vless', 'trojan'));
  await untilSynced(database);
  expect(node.listUserNames('vless')).toHaveLength(4);
  // An inbound that Xray no longer has causes no fault.
  await applyNodes(database, at('trojan'));
  await node.restart([both[1]]);
  await createSubscriber(database, 4n, 0n);
  await untilSynced(database);
  await expectSynced(database, node, undefined, 'trojan');
  const { former_inbounds } = await readNode(database, 'a');
  expect(former_inbounds).toSatisfy((tags: string[]) => tags.length <= 1);
});

test('a node that cannot count its users is seeded, and its dropped inbounds are emptied', async () => {
  using node = await startNode([
    { tag: 'vless', protocol: 'vless' },
    { tag: 'trojan', protocol: 'trojan' },
  ]);
  await using database = await createShopWithNodes({});
  const at = (...inbounds: string[]) => ({ id: 'a', node, host: 'a.example', inbounds });
  await applyNodes(database, at('vless', 'trojan'));
  for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n)
    await createSubscriber(database, telegramId, 0n);
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
  }
  await applyNodes(database, at('trojan'));
  let counts = 0;
  node.conduct = ({ method }) => {
    if (method !== 'GetInboundUsersCount') return 'serve';
    counts += 1;
    return 'garbage';
  };
  await using _ = startTestKeepers(database);
  await until('the node was asked for its counts', () => counts > 0);
  await untilSynced(database);
  expect(node.listUserNames('vless')).toEqual([]);
  await expectSynced(database, node, undefined, 'trojan');
});

test('a mark that is delayed for an hour is due in the next boot of the node, and keeps its attempts and losses', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({});
  await applyNodes(database, { id: 'a', node, host: 'a.example' });
  for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n)
    await createSubscriber(database, telegramId, 0n);
  const kept: string[] = [];
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database);
    await database.query`
      INSERT INTO perennial.access_sync (node_id, credential_id, attempts, lost, next_attempt_at,
        marked_at)
      SELECT 'a', id, 6, 1, perennial.clock() + interval '1 hour', perennial.clock()
      FROM perennial.credential ORDER BY id LIMIT 2`;
    node.conduct = async ({ method, name }): Promise<CallBehavior> => {
      if (method !== 'AlterInbound') return 'serve';
      const rows = await database.query<{ held: string }>`
        SELECT attempts || ' ' || lost AS held FROM perennial.access_sync
        WHERE 'perennial-' || credential_id = ${name}`;
      kept.push(...rows.map(({ held }) => held));
      return 'serve';
    };
    await node.restart();
    await untilSynced(database);
  }
  await expectSynced(database, node);
  // The third mark comes from the seed alone.
  expect(kept.sort()).toEqual(['0 0', '6 1', '6 1']);
});

test('`run keep-node` is refused, and the message names the command that keeps nodes', async () => {
  const command = buildRunCommand(() => Promise.reject(new Error('not opened'))).exitOverride();
  await expect(command.parseAsync(['keep-node'], { from: 'user' })).rejects.toMatchObject({
    code: 'no_runs',
    message: expect.stringMatching(/"perennial start" keeps nodes/),
  });
});
