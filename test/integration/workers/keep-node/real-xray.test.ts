import { describe, expect, test } from 'vitest';
import type { CredentialId } from '../../../../src/kernel/ids.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import { findXrayOrSkip } from '../../../../testbed/real-xray.ts';
import { until } from '../../../../testbed/until.ts';
import { startProcess } from '../../../support/child-process.ts';
import {
  createShopWithNodes,
  expectSynced,
  readEntitledNames,
  readNode,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import { startRealNode } from '../../../support/real-node.ts';
import {
  createCaller,
  createEndingSubscribers,
  createSubscriber,
  runWorker,
} from '../../../support/shop.ts';

// Keepers with a real Xray, if it is installed.

const path = findXrayOrSkip('keepers with a real Xray');

/** The limit for a test that hangs. A slow test stays far below it. */
const hangMs = 120_000;

/** True if the breaker of the node is open. */
const readMissed = async (database: Parameters<typeof readNode>[0], id: string) =>
  (await readNode(database, id)).open_until === null ? undefined : true;

describe.skipIf(path === undefined)('with a real Xray', () => {
  test('F2: an expired user is removed within 5 s, or within 10 s of the return of a node that was down', async () => {
    await using node = await startRealNode(path ?? '');
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    await createEndingSubscribers(database, 120, '2100-01-01T00:00:00Z');
    await using _ = startTestKeepers(database, { probeMs: 2_000, pollMs: 2_000 });
    await expectSynced(database, node, 20_000);
    const expire = (many: string) =>
      database.query`
        UPDATE perennial.subscription SET started_at = '2020-01-01Z',
          expires_at = perennial.clock() - interval '1 second'
        WHERE state = 'active' AND id <= ${many}::bigint`;
    await expire('5');
    await runWorker(database, 'fast-expiry-cleanup');
    await expectSynced(database, node, 5_000);
    expect(await node.listUserNames()).toHaveLength(115);
    await node.xray.kill();
    await expire('10');
    await runWorker(database, 'fast-expiry-cleanup');
    await until('a missing user is reported', () => readMissed(database, 'nl-1'));
    await node.xray.start();
    await expectSynced(database, node, 10_000);
    expect(await node.listUserNames()).toHaveLength(110);
  }, 90_000);

  test('X6: a node that restarts during its seed is seeded from the start', async () => {
    await using node = await startRealNode(path ?? '');
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    await createEndingSubscribers(database, 3_000, '2100-01-01T00:00:00Z');
    await using _ = startTestKeepers(database, { probeMs: 500 });
    const inTheMiddle = async () => {
      const count = await until(
        'some users are on the node',
        async () => (await node.count()) || undefined,
      );
      expect(count).toBeLessThan(3_000);
    };
    await inTheMiddle();
    for (let times = 1; times <= 2; times += 1) {
      await node.xray.kill();
      await node.xray.start();
      await inTheMiddle();
    }
    await expectSynced(database, node, 30_000);
    await untilSynced(database);
    const { boot_at, seeded_boot_at } = await readNode(database, 'nl-1');
    expect(seeded_boot_at).toBe(boot_at);
  }, 90_000);

  test('S5: a node that crashes again and again does not affect two other nodes', async () => {
    await using one = await startRealNode(path ?? '');
    await using two = await startRealNode(path ?? '');
    await using flaps = await startRealNode(path ?? '');
    await using database = await createShopWithNodes({
      a: { api: flaps.api },
      b: { api: one.api },
      c: { api: two.api },
    });
    await using _ = startTestKeepers(database, { probeMs: 2_000, pollMs: 2_000 });
    let flapping = true;
    const flap = async () => {
      for (let starts = 0; flapping; starts += 1) {
        await flaps.xray.kill();
        // Some boots are long enough for the whole seed, others are not.
        if (starts % 2 === 0)
          await until('a missing user is reported', () => readMissed(database, 'a'));
        await flaps.xray.start();
      }
    };
    const flapped = flap();
    try {
      for (let telegramId = 1n; telegramId <= 8n; telegramId += 1n) {
        const id = await createSubscriber(database, telegramId, 0n);
        for (const node of ['b', 'c']) await untilSynced(database, node, 3_000);
        if (telegramId % 2n === 0n) {
          const call = createCaller(database);
          await revoke(call, { telegramId, subscriptionId: id, reason: 'test' });
          for (const node of ['b', 'c']) await untilSynced(database, node, 3_000);
        }
        for (const node of [one, two])
          expect(await node.listUserNames()).toEqual(await readEntitledNames(database));
      }
    } finally {
      flapping = false;
      await flapped;
    }
    for (const id of ['b', 'c']) {
      expect(await readNode(database, id)).toMatchObject({ failures: 0, last_error: null });
    }
    await expectSynced(database, flaps, 30_000);
  }, 120_000);

  test('S2: a keeper that is stopped during a seed, replaced and resumed adds no removed user', async () => {
    await using node = await startRealNode(path ?? '');
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    await createEndingSubscribers(database, 4_000, '2100-01-01T00:00:00Z');
    await using stopped = startProcess(new URL('./keepers-process.ts', import.meta.url), [
      ...[database.url, '1000'],
    ]);
    const pid = Number(
      (await stopped.untilLine('its pid', (line) => line.startsWith('pid '))).slice(4),
    );
    await stopped.untilLine('that it stops', (untilLine) => untilLine === 'stops itself');
    const there = await node.listUserNames();
    const before = (await readNode(database, 'nl-1')).keeper_epoch;
    try {
      expect(there.length).toBeGreaterThanOrEqual(1_000);
      expect(there.length).toBeLessThan(4_000);
      await using _ = startTestKeepers(database, { silentMs: 3_000 });
      await until(
        'the takeover',
        async () =>
          // A busy machine may cost the new keeper its node, and another epoch follows.
          (await readNode(database, 'nl-1')).keeper_epoch > before,
      );
      // Some users that the stopped keeper has added, and some that it has read for its next calls.
      const absent = (await readEntitledNames(database)).filter((name) => !there.includes(name));
      const gone = [...there.slice(0, 3), ...absent.slice(0, 3), ...absent.slice(-3)];
      await database.query`
        UPDATE perennial.subscription SET started_at = '2020-01-01Z',
          expires_at = perennial.clock() - interval '1 second'
        WHERE id IN (SELECT subscription_id FROM perennial.credential
          WHERE 'perennial-' || id = ANY (${gone}))`;
      expect(await runWorker(database, 'fast-expiry-cleanup')).toMatchObject({ changed: 9n });
      await untilSynced(database, undefined, hangMs);
      await expectSynced(database, node, hangMs);
      process.kill(pid, 'SIGCONT');
      const isLost = (line: string) => line.includes('and their nodes');
      await stopped.untilLine('that it lost the node', isLost, hangMs);
      await untilSynced(database, undefined, hangMs);
      await expectSynced(database, node, hangMs);
      expect((await node.listUserNames()).filter((name) => gone.includes(name))).toEqual([]);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }, 600_000);

  test('S4: a purchase, a revocation and a second purchase do not crash the node', async () => {
    await using node = await startRealNode(path ?? '');
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    await using _ = startTestKeepers(database);
    const id = await createSubscriber(database, 1n, 0n);
    await untilSynced(database);
    expect(await node.listUserNames()).toEqual(await readEntitledNames(database));
    await revoke(createCaller(database), { telegramId: 1n, subscriptionId: id, reason: 'test' });
    await untilSynced(database);
    expect(await node.listUserNames()).toEqual([]);
    // Another program removed the user: the mark of a comparison adds the user again.
    await createSubscriber(database, 2n, 0n);
    await untilSynced(database);
    const [name = ''] = await readEntitledNames(database);
    const other = connectNode({ api: node.api });
    expect(await other.removeUser('vless', name)).toBe('removed');
    other.close();
    await database.query`
      INSERT INTO perennial.access_sync (node_id, credential_id, next_attempt_at, marked_at)
      VALUES ('nl-1', ${name.slice('perennial-'.length) as CredentialId}, perennial.clock(),
        perennial.clock())`;
    await untilSynced(database);
    expect(await node.listUserNames()).toEqual([name]);
  });
});
