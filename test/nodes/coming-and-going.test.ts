import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { carryOut } from '../../src/catalog/apply.ts';
import { difference, inWords } from '../../src/catalog/difference.ts';
import { linksOf } from '../../src/catalog/links.ts';
import { runCommand } from '../../src/cli/run.ts';
import { type Config, readConfig } from '../../src/config.ts';
import { readClock } from '../../src/db/clock.ts';
import { inTransaction } from '../../src/db/connect.ts';
import { newCredentialId } from '../../src/kernel/ids.ts';
import { finishMarking } from '../../src/subscription/marking.ts';
import type { Conduct } from '../../src/xray/embedded/node.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import type { Books } from '../books.ts';
import { until } from '../service/until.ts';
import { payer } from '../shop.ts';
import { type ANode, aNode, equal, keep, marksOf, nodeRow, settled, shopOn } from './kept.ts';

// A node comes by `apply`, and changes by it, while its customers are connected elsewhere. (How one
// goes: command.test.ts.)

interface Listed {
  readonly id: string;
  readonly node: ANode;
  readonly host: string;
  readonly inbounds?: readonly string[];
}

async function apply({ db }: Books, ...nodes: readonly Listed[]): Promise<string[]> {
  const text = nodes.map(
    ({ id, node, host, inbounds = ['vless'] }) =>
      `- { id: ${id}, api: "${node.api}", groups: [all], inbounds: [${inbounds}], link: { host: ${host}, port: 443 } }`,
  );
  const config: Config = {
    path: 'perennial.yaml',
    file: readConfig(`nodes:\n${text.join('\n')}\n`, 'perennial.yaml'),
    database: undefined,
    dataDir: '/nowhere',
    dataDirNamed: false,
    logLevel: 'info',
  };
  const steps = await inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    const found = await difference(tx, config, now);
    await carryOut(tx, found, 'test', now);
    return found;
  });
  await finishMarking(db);
  return steps.map(inWords);
}

test('a node that is added is filled with all who may connect, beside the ones that are there', async () => {
  using first = await aNode();
  using second = await aNode();
  await using books = await shopOn({});
  const [a, b] = [
    { id: 'a', node: first, host: 'a.example' },
    { id: 'b', node: second, host: 'b.example' },
  ];
  await apply(books, a);
  await using _ = keep(books);
  for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n) await payer(books, telegramId, 0n);
  await equal(books, first);
  expect(await apply(books, a, b)).toEqual([`+ node b: ${second.api}`]);
  await equal(books, second);
  await settled(books);
  await payer(books, 4n, 0n);
  for (const node of [first, second]) await equal(books, node);
});

test('another public host changes the links of all, and nothing else: the node is not called', async () => {
  using node = await aNode();
  await using books = await shopOn({});
  await apply(books, { id: 'a', node, host: 'a.example' });
  await payer(books, 1n, 0n);
  {
    await using _ = keep(books);
    await settled(books);
  }
  const [before] = await linksOf(books.db, 1n);
  const altered: string[] = [];
  node.conduct = ({ method }) => {
    if (method === 'AlterInbound') altered.push(method);
    return 'serve';
  };
  await apply(books, { id: 'a', node, host: 'b.example' });
  expect(await marksOf(books)).toBe(0);
  const [after] = await linksOf(books.db, 1n);
  expect(after?.link).toBe(before?.link?.replace('a.example', 'b.example'));
  expect(after?.link).not.toBe(before?.link);
  await using _ = keep(books);
  await payer(books, 2n, 0n);
  await equal(books, node);
  // The one who is new, and nobody else.
  expect(altered).toHaveLength(1);
});

test('an inbound that is named no more is emptied of ours, also of those who end later; others stay', async () => {
  const both = [
    { tag: 'vless', protocol: 'vless' },
    { tag: 'trojan', protocol: 'trojan' },
  ] as const;
  using node = await aNode(both);
  await using books = await shopOn({});
  const at = (...inbounds: string[]) => ({ id: 'a', node, host: 'a.example', inbounds });
  await apply(books, at('vless', 'trojan'));
  const api = connectNode({ api: node.api });
  onTestFinished(() => api.close());
  await api.addUser('vless', { name: 'bob', id: newCredentialId(), flow: '' });
  for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n) await payer(books, telegramId, 0n);
  await using _ = keep(books);
  await settled(books);
  expect(node.names('vless')).toHaveLength(4);
  await apply(books, at('trojan'));
  await settled(books);
  expect(node.names('vless')).toEqual(['bob']);
  await equal(books, node, 'trojan');
  // Named again it is one of ours again.
  await apply(books, at('vless', 'trojan'));
  await settled(books);
  expect(node.names('vless')).toHaveLength(4);
  // One that Xray has no more is no trouble.
  await apply(books, at('trojan'));
  await node.restart([both[1]]);
  await payer(books, 4n, 0n);
  await settled(books);
  await equal(books, node, 'trojan');
  const { former_inbounds } = await nodeRow(books, 'a');
  expect(former_inbounds).toSatisfy((tags: string[]) => tags.length <= 1);
});

test('a node that can not count its users is filled to be sure, and inbounds named no more are emptied all the same', async () => {
  using node = await aNode([
    { tag: 'vless', protocol: 'vless' },
    { tag: 'trojan', protocol: 'trojan' },
  ]);
  await using books = await shopOn({});
  const at = (...inbounds: string[]) => ({ id: 'a', node, host: 'a.example', inbounds });
  await apply(books, at('vless', 'trojan'));
  for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n) await payer(books, telegramId, 0n);
  {
    await using _ = keep(books);
    await settled(books);
  }
  await apply(books, at('trojan'));
  let counts = 0;
  node.conduct = ({ method }) => {
    if (method !== 'GetInboundUsersCount') return 'serve';
    counts += 1;
    return 'garbage';
  };
  await using _ = keep(books);
  await until('it was asked', () => (counts > 0 ? true : undefined));
  await settled(books);
  expect(node.names('vless')).toEqual([]);
  await equal(books, node, 'trojan');
});

test('a mark that was put off for an hour is due in the next life of the node, with all that is held against it', async () => {
  using node = await aNode();
  await using books = await shopOn({});
  await apply(books, { id: 'a', node, host: 'a.example' });
  for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n) await payer(books, telegramId, 0n);
  const kept: string[] = [];
  {
    await using _ = keep(books);
    await settled(books);
    await sql`
      INSERT INTO perennial.access_sync (node_id, credential_id, attempts, lost, next_attempt_at,
        marked_at)
      SELECT 'a', id, 6, 1, perennial.clock() + interval '1 hour', perennial.clock()
      FROM perennial.credential ORDER BY id LIMIT 2`.execute(books.db);
    node.conduct = async ({ method, name }): Promise<Conduct> => {
      if (method !== 'AlterInbound') return 'serve';
      const { rows } = await sql<{ held: string }>`
        SELECT attempts || ' ' || lost AS held FROM perennial.access_sync
        WHERE 'perennial-' || credential_id = ${name}`.execute(books.db);
      kept.push(...rows.map(({ held }) => held));
      return 'serve';
    };
    await node.restart();
    await settled(books);
  }
  await equal(books, node);
  // The third one had no mark but for the filling.
  expect(kept.sort()).toEqual(['0 0', '6 1', '6 1']);
});

test('keep-node has no runs, and says how nodes are kept', async () => {
  const command = runCommand(() => Promise.reject(new Error('not opened'))).exitOverride();
  await expect(command.parseAsync(['keep-node'], { from: 'user' })).rejects.toMatchObject({
    code: 'no_runs',
    message: expect.stringMatching(/for as long as "perennial start" lives/),
  });
});
