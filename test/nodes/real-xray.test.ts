import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { CredentialId } from '../../src/kernel/ids.ts';
import { revoke } from '../../src/subscription/granting.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import { until } from '../service/until.ts';
import { crowd, payer, runOf } from '../shop.ts';
import { freePort, serverConfig, xrayOrSkip, xrayProcess } from '../xray/real-xray.ts';
import { keep, namesInBooks, nodeRow, settled, shopOn } from './kept.ts';

// Keepers against a real Xray, where there is one.

const path = xrayOrSkip('keepers with a real Xray');

async function aRealNode() {
  const api = `127.0.0.1:${await freePort()}`;
  const inbound = {
    tag: 'vless',
    listen: '127.0.0.1',
    port: await freePort(),
    protocol: 'vless',
    settings: { clients: [], decryption: 'none' },
  };
  const xray = xrayProcess(path ?? '', serverConfig(api, [inbound]));
  await xray.start();
  const looking = connectNode({ api });
  return {
    api,
    xray,
    /** Whom it has, told by itself. */
    async names(): Promise<string[]> {
      const names: string[] = [];
      for await (const slice of looking.listUsers('vless'))
        names.push(...slice.map(({ name }) => name));
      return names.sort();
    },
    async [Symbol.asyncDispose]() {
      looking.close();
      await xray.remove();
    },
  };
}

type RealNode = Awaited<ReturnType<typeof aRealNode>>;
type Books = Parameters<typeof namesInBooks>[0];

const equal = (books: Books, node: RealNode, deadlineMs: number) =>
  until(
    'the node equals the books',
    async () =>
      JSON.stringify(await node.names()) === JSON.stringify(await namesInBooks(books))
        ? true
        : undefined,
    deadlineMs,
  );

describe.skipIf(path === undefined)('with a real Xray', () => {
  test('F2: who expires is gone within 5 s; who expires while the node is down, within 10 s of its return', async () => {
    await using node = await aRealNode();
    await using books = await shopOn({ 'nl-1': { api: node.api } });
    await crowd(books, 20, '2100-01-01T00:00:00Z');
    await using _ = keep(books, { probeMs: 2_000, pollMs: 2_000 });
    await equal(books, node, 20_000);
    const expire = (many: string) =>
      sql`
        UPDATE perennial.subscription SET started_at = '2020-01-01Z',
          expires_at = perennial.clock() - interval '1 second'
        WHERE state = 'active' AND id <= ${many}::bigint`.execute(books.db);
    await expire('5');
    await runOf(books, 'fast-expiry-cleanup');
    await equal(books, node, 5_000);
    expect(await node.names()).toHaveLength(15);
    await node.xray.kill();
    await expire('10');
    await runOf(books, 'fast-expiry-cleanup');
    await until('it is missed', async () =>
      (await nodeRow(books, 'nl-1')).open_until === null ? undefined : true,
    );
    await node.xray.start();
    await equal(books, node, 10_000);
    expect(await node.names()).toHaveLength(10);
  }, 90_000);

  test('a node that is started again with 200 users has them back within 10 s, without help', async () => {
    await using node = await aRealNode();
    await using books = await shopOn({ 'nl-1': { api: node.api } });
    await crowd(books, 200, '2100-01-01T00:00:00Z');
    await using _ = keep(books, { probeMs: 2_000, pollMs: 2_000 });
    await equal(books, node, 30_000);
    await node.xray.kill();
    await node.xray.start();
    await equal(books, node, 10_000);
    await settled(books);
  }, 90_000);

  test('S4: whoever buys, is revoked and comes back goes by calls that leave it alive', async () => {
    await using node = await aRealNode();
    await using books = await shopOn({ 'nl-1': { api: node.api } });
    await using _ = keep(books);
    const id = await payer(books, 1n, 0n);
    await settled(books);
    expect(await node.names()).toEqual(await namesInBooks(books));
    await revoke(
      { db: books.db, actor: 'test' },
      { telegramId: 1n, subscriptionId: id, reason: 'test' },
    );
    await settled(books);
    expect(await node.names()).toEqual([]);
    // Somebody took the user away and nobody knows: the mark of a comparison brings him back.
    await payer(books, 2n, 0n);
    await settled(books);
    const [name = ''] = await namesInBooks(books);
    const other = connectNode({ api: node.api });
    expect(await other.removeUser('vless', name)).toBe('removed');
    other.close();
    await sql`
      INSERT INTO perennial.access_sync (node_id, credential_id, next_attempt_at, marked_at)
      VALUES ('nl-1', ${name.slice('perennial-'.length) as CredentialId}, perennial.clock(),
        perennial.clock())`.execute(books.db);
    await settled(books);
    expect(await node.names()).toEqual([name]);
  });
});
