import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { buildNodeCommand } from '../../../../src/cli/commands/node/node.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { readOldestUnconfirmed } from '../../../../src/workers/keep-node/store.ts';
import { type EmbeddedNodeOptions, startEmbeddedNode } from '../../../../src/xray/embedded/node.ts';
import type { NodeTls } from '../../../../src/xray/grpc/connect.ts';
import { until } from '../../../../testbed/until.ts';
import { makeCertificates } from '../../../support/certificates.ts';
import { runCommand } from '../../../support/command-line.ts';
import type { TestDatabase } from '../../../support/database.ts';
import {
  countMarks,
  createShopWithNodes,
  readEntitledNames,
  readNode,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import { createCaller, createSubscriber } from '../../../support/shop.ts';

// Nodes with all kinds of faults at once, beside a node without a fault. The keeper, `node check`
// and `node reconcile` report the fault of each node. The node without a fault is not affected.

interface FaultyNode {
  readonly id: string;
  readonly api: string;
  readonly tls?: NodeTls;
  readonly inbounds?: readonly string[];
  /** The report of each of the three; `null`: the fault does not concern it. */
  readonly keeper: RegExp | null;
  readonly check: RegExp;
  readonly reconcile: RegExp;
}

async function startFaultyNode(options: Partial<EmbeddedNodeOptions> = {}) {
  const node = await startEmbeddedNode({
    inbounds: [{ tag: 'vless', protocol: 'vless' }],
    ...options,
  });
  onTestFinished(node.stop);
  return node;
}

async function listenOnLoopback(server: ReturnType<typeof createTcp>): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function startFaultyNodes(): Promise<FaultyNode[]> {
  const all = (text: RegExp) => ({ keeper: text, check: text, reconcile: text });
  const { ca, cert, key, read } = makeCertificates('node.example');
  const otherCertificates = makeCertificates('node.example');
  const secured = await startFaultyNode({ tls: { cert: read(cert), key: read(key) } });
  const otherInbound = [{ tag: 'vless', protocol: 'door' as const }];
  const other = [{ tag: 'other', protocol: 'vless' as const }];
  return [
    {
      ...{ id: 'unknown-inbound', api: (await startFaultyNode({ inbounds: other })).api },
      keeper: /no inbound "vless" on this node; available: other/,
      check: /vless: misconfigured: is not an inbound of this node; available: other/,
      reconcile: /no inbound "vless" on this node/,
    },
    {
      ...{ id: 'no-users', api: (await startFaultyNode({ inbounds: otherInbound })).api },
      keeper: /"vless" is a xray\.proxy\.dokodemo\.Config; expected VLESS, VMess or Trojan/,
      check: /vless: misconfigured: is a xray\.proxy\.dokodemo\.Config/,
      reconcile: /the inbound "vless" has no users to manage/,
    },
    {
      id: 'web-server',
      api: await listenOnLoopback(createServer((_, answer) => answer.end('hello')) as never),
      ...all(/no Xray API at this address/),
    },
    {
      id: 'speaks-first',
      api: await listenOnLoopback(createTcp((socket) => void socket.end('SSH-2.0-x\r\n'))),
      ...all(/no Xray API at this address/),
    },
    {
      ...{ id: 'other-authority', api: secured.api, tls: { ca: otherCertificates.ca } },
      ...all(/TLS handshake with the node failed/),
    },
    {
      ...{ id: 'no-tls', api: (await startFaultyNode()).api, tls: { ca } },
      ...all(/TLS handshake with the node failed/),
    },
    {
      ...{ id: 'no-file', api: '127.0.0.1:1', tls: { ca: '/nowhere.pem' } },
      ...all(/the authority \/nowhere\.pem can't be read \(ENOENT\)/),
    },
    {
      id: 'cannot-tell-inbounds',
      api: (await startFaultyNode({ missingMethods: ['ListInbounds'] })).api,
      ...all(/too old to list inbounds; expected version 25\.6\.7 or newer/),
    },
    {
      id: 'cannot-list',
      api: (await startFaultyNode({ missingMethods: ['GetInboundUsers', 'GetInboundUsersCount'] }))
        .api,
      keeper: null,
      check: /too old to list and count users; expected version 24\.11\.5 or newer/,
      reconcile: /too old to list and count users; expected version 24\.11\.5 or newer/,
    },
    {
      id: 'no-handler',
      api: (await startFaultyNode({ services: ['StatsService'] })).api,
      ...all(/the API has no HandlerService; add it to api\.services/),
    },
    {
      id: 'garbage',
      api: (await startFaultyNode({ chooseBehavior: () => 'garbage' })).api,
      ...all(/the answer can't be read/),
    },
    {
      id: 'hangs',
      api: (await startFaultyNode({ chooseBehavior: () => 'hang' })).api,
      ...all(/no answer within \d s/),
    },
    { id: 'away', api: '127.0.0.1:2', ...all(/no connection/) },
  ];
}

const runNodeCommand = (database: TestDatabase, ...words: string[]) =>
  runCommand(buildNodeCommand, database, words);

test('S5: each fault is reported for its node by keeper, check and reconcile, and other nodes work', async () => {
  const faulty = await startFaultyNodes();
  const healthy = await startFaultyNode();
  await using database = await createShopWithNodes({
    well: { api: healthy.api },
    ...Object.fromEntries(
      faulty.map(({ id, api, inbounds = ['vless'] }) => [id, { api, inbounds }]),
    ),
  });
  for (const { id, tls } of faulty) {
    if (tls === undefined) continue;
    await database.query`
      UPDATE perennial.node SET tls = ${JSON.stringify(tls)}::jsonb WHERE id = ${id}`;
  }
  await createSubscriber(database, 1n, 0n);
  {
    await using _ = startTestKeepers(database);
    await untilSynced(database, 'well');
    expect(healthy.listUserNames('vless')).toEqual(await readEntitledNames(database));
    for (const { id, keeper } of faulty) {
      if (keeper === null) await untilSynced(database, id);
      else {
        await until(`${id} has its error`, async () =>
          keeper.test((await readNode(database, id)).last_error ?? ''),
        );
        expect(await countMarks(database, id), id).toBe(1);
      }
    }
    await createSubscriber(database, 2n, 0n);
    await untilSynced(database, 'well');
    expect(healthy.listUserNames('vless')).toHaveLength(2);
  }
  const [checked, reconciled] = [
    await runNodeCommand(database, 'check'),
    await runNodeCommand(database, 'reconcile'),
  ];
  expect([checked.code, reconciled.code]).toEqual([1, 1]);
  expect(checked.out).toMatch(/^well: reachable at .*\n {2}vless: vless, 2 users$/m);
  expect(reconciled.out).toMatch(/^well: 2 users of ours, 0 foreign\n {2}equal/m);
  const partOf = (out: string, id: string) => {
    const lines = out.split('\n');
    const from = lines.findIndex((line) => line.startsWith(`${id}:`));
    const rest = lines.slice(from + 1).findIndex((line) => !line.startsWith(' '));
    return lines.slice(from, rest < 0 ? undefined : from + 1 + rest).join('\n');
  };
  for (const { id, check, reconcile } of faulty) {
    expect(partOf(checked.out, id)).toMatch(check);
    expect(partOf(reconciled.out, id)).toMatch(reconcile);
  }
}, 60_000);

test('the database has a credential once, as a complete UUID', async () => {
  await using database = await createShopWithNodes({ a: { api: '127.0.0.1:1' } });
  const id = await createSubscriber(database, 1n, 0n);
  const again = sql`
    INSERT INTO perennial.credential (id, subscription_id, customer_id, issued_at, retired_at)
    SELECT id, subscription_id, customer_id, issued_at, issued_at FROM perennial.credential
    WHERE subscription_id = ${id}`;
  await expect(again.execute(database.db)).rejects.toThrow(/credential_pkey/);
  const cut = sql`UPDATE perennial.credential SET id = left(id::text, 35)::uuid`;
  await expect(cut.execute(database.db)).rejects.toThrow(/invalid input syntax for type uuid/);
});

test.for<[string, string]>([
  ['an inbound that the node lacks', `inbounds = '{missing,vless}'`],
  ['a flow that no node accepts', `link = link || '{"flow": "visoin"}'`],
])(
  'F2: expired users are removed from a node with %s at once; no user is added, and the fault is reported',
  { timeout: 60_000 },
  async ([, wrong]) => {
    const node = await startFaultyNode();
    await using database = await createShopWithNodes({ a: { api: node.api } });
    await createSubscriber(database, 1n, 0n);
    await createSubscriber(database, 2n, 0n);
    {
      await using _ = startTestKeepers(database);
      await untilSynced(database);
    }
    await sql.raw(`UPDATE perennial.node SET ${wrong}`).execute(database.db);
    await using _ = startTestKeepers(database);
    // Marked before the fault is found, and long after.
    for (const telegramId of [1n, 2n]) {
      await revoke(createCaller(database), { telegramId, reason: 'test' });
      await createSubscriber(database, 10n + telegramId, 0n);
      await until(
        'the removal',
        () => node.listUserNames('vless').length === 2 - Number(telegramId),
        5_000,
      );
      await until(
        'it is confirmed',
        async () => (await readOldestUnconfirmed(database.db)) === undefined,
      );
    }
    expect(await countMarks(database)).toBe(2);
    const { last_seen_at: seen } = await readNode(database, 'a');
    await until(
      'it is probed twice more',
      async () => ((await readNode(database, 'a')).last_seen_at ?? 0) >= (seen ?? 0) + 400,
    );
    expect((await readNode(database, 'a')).last_error).toMatch(
      /no inbound "missing"|link.flow: "visoin"/,
    );
    await database.query`UPDATE perennial.node SET inbounds = '{vless}', link = link - 'flow'`;
    await untilSynced(database, 'a', 40_000);
    expect([...node.listUserNames('vless')].sort()).toEqual(await readEntitledNames(database));
  },
);
