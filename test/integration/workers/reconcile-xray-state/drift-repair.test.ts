import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CredentialId } from '../../../../src/kernel/ids.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import { formatUserName } from '../../../../src/xray/user-names.ts';
import { deleteMarks, readCredential, runComparison } from '../../../support/comparison.ts';
import { listContractNodes } from '../../../support/contract-nodes.ts';
import { createShopWithNodes, startTestKeepers, untilSynced } from '../../../support/nodes.ts';
import { createCaller, createSubscriber } from '../../../support/shop.ts';

// Drift of every kind on one node, found by one comparison and repaired by its keeper; on the
// embedded node and on a real Xray.

const tags = ['vless-a', 'trojan-a'];

describe.each(listContractNodes('reconciliation'))('$title', (subject) => {
  test.skipIf(subject.missing !== undefined)(
    'drift of every kind is found, the keeper repairs the permitted part, the rest stays',
    async () => {
      const node = await subject.start();
      const database = await createShopWithNodes({ 'nl-1': { api: node.api, inbounds: tags } });
      const api = connectNode({ api: node.api });
      onTestFinished(async () => {
        api.close();
        await node.stop();
        await database.close();
      });
      const put = async (name: string, id: CredentialId) => {
        for (const tag of tags) await api.addUser(tag, { name, id, flow: '' }, {});
      };
      const customers = [];
      for (let telegramId = 1n; telegramId <= 5n; telegramId += 1n) {
        const subscriptionId = await createSubscriber(database, telegramId, 0n);
        const id = await readCredential(database, subscriptionId);
        customers.push({ telegramId, subscriptionId, id, name: formatUserName('perennial', id) });
      }
      const [healthy, missing, retired, different, shared] = customers as [
        (typeof customers)[0],
        (typeof customers)[0],
        (typeof customers)[0],
        (typeof customers)[0],
        (typeof customers)[0],
      ];
      for (const { name, id } of [healthy, retired, shared]) await put(name, id);
      await api.addUser('vless-a', { name: missing.name, id: missing.id, flow: '' }, {});
      await put(different.name, randomUUID() as CredentialId);
      await put('panel-7', shared.id);
      const stray = randomUUID() as CredentialId;
      await put(formatUserName('perennial', stray), stray);
      await put('bob', randomUUID() as CredentialId);
      const { telegramId, subscriptionId } = retired;
      const call = createCaller(database);
      await revoke(call, { telegramId, subscriptionId, reason: 'test' });
      await deleteMarks(database);

      const expected = { missing: 1, unwanted: 1, different: 1, unknown: 1, conflict: 1 };
      expect(await runComparison(database)).toMatchObject({
        outcome: 'success',
        changed: 3n,
        detail: { ...expected, foreign: 2, marked: 3, nodes: 1 },
      });

      await using _ = startTestKeepers(database);
      await untilSynced(database);
      const left = { missing: 0, unwanted: 0, different: 0, unknown: 1, conflict: 1 };
      expect(await runComparison(database, { requestedNode: 'nl-1' })).toMatchObject({
        detail: { ...left, foreign: 2, marked: 0 },
      });
      for (const tag of tags) {
        const there = new Map<string, string | undefined>();
        for await (const slice of api.listUsers(tag)) {
          for (const user of slice) there.set(user.name, user.id);
        }
        const expectedUsers = [healthy, missing, different, shared].map(({ name, id }) => [
          name,
          id,
        ]);
        expect(Object.fromEntries(there)).toMatchObject(Object.fromEntries(expectedUsers));
        expect(there.has(retired.name)).toBe(false);
        expect(there.get(formatUserName('perennial', stray))).toBe(stray);
        expect(there.get('panel-7')).toBe(shared.id);
        expect(there.has('bob')).toBe(true);
      }
    },
    60_000,
  );

  test.skipIf(subject.missing !== undefined)(
    'X6: a restarted node is found empty, and its keeper seeds it again',
    async () => {
      const node = await subject.start();
      const database = await createShopWithNodes({ 'nl-1': { api: node.api, inbounds: tags } });
      const api = connectNode({ api: node.api });
      onTestFinished(async () => {
        api.close();
        await node.stop();
        await database.close();
      });
      for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n)
        await createSubscriber(database, telegramId, 0n);
      {
        await using _ = startTestKeepers(database);
        await untilSynced(database);
      }
      expect(await runComparison(database, { requestedNode: 'nl-1' })).toMatchObject({
        detail: { missing: 0 },
      });
      await node.restart();
      expect(await runComparison(database, { requestedNode: 'nl-1' })).toMatchObject({
        detail: { missing: 3, marked: 3 },
      });
      await using _ = startTestKeepers(database);
      await untilSynced(database);
      expect(await runComparison(database, { requestedNode: 'nl-1' })).toMatchObject({
        detail: { missing: 0 },
      });
      expect(await api.countUsers('vless-a', {})).toBe(3);
      expect(await database.query`SELECT FROM perennial.access_sync`).toEqual([]);
    },
    60_000,
  );
});
