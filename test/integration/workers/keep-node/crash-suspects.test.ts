import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { reissue } from '../../../../src/subscription/commands/reissue.ts';
import { revoke } from '../../../../src/subscription/commands/revoke.ts';
import { suspectsMax } from '../../../../src/workers/keep-node/rule.ts';
import { readOldestUnconfirmed } from '../../../../src/workers/keep-node/store.ts';
import type { CallBehavior } from '../../../../src/xray/embedded/node.ts';
import { until } from '../../../../testbed/until.ts';
import type { TestDatabase } from '../../../support/database.ts';
import {
  createShopWithNodes,
  expectSynced,
  readEntitledNames,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import { createCaller, createEndingSubscribers, createSubscriber } from '../../../support/shop.ts';
import { startSlowProxy } from './slow-proxy.ts';

// Adds that were pending when the connection broke. Each may have crashed the node, and most did
// not.

const countSuspects = async ({ query }: TestDatabase): Promise<number> => {
  const rows = await query<{ count: bigint }>`
    SELECT count(*) FROM perennial.access_sync WHERE lost > 0`;
  return Number(rows[0]?.count);
};

test('S4: hundreds of suspects run in small groups after a crash, and removals run before the next group', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await createEndingSubscribers(database, 900, '2100-01-01T00:00:00Z');
  await createSubscriber(database, 1n, 0n);
  const rows = await database.query<{ name: string }>`
    SELECT 'perennial-' || c.id AS name FROM perennial.credential c
    JOIN perennial.customer u ON u.id = c.customer_id WHERE u.telegram_id = 1`;
  const ending = rows[0]?.name ?? '';
  // Adds that a crash interrupts: two lanes are not needed to reach this number.
  const suspectCount = 200;
  const pending = new Set<string>();
  const suspects = new Set<string>();
  const sent: string[] = [];
  const gate = Promise.withResolvers<void>();
  node.conduct = async ({ method, adds, name }): Promise<CallBehavior> => {
    if (method !== 'AlterInbound') {
      // A distant node, so the keeper sends many calls at once.
      await pause(60);
      return 'serve';
    }
    if (suspects.size > 0) {
      if (adds && suspects.has(name)) await gate.promise;
      sent.push(name);
      return 'serve';
    }
    // Not the user that is removed later.
    if (name === ending) return 'serve';
    pending.add(name);
    if (pending.size === suspectCount) {
      for (const each of pending) suspects.add(each);
      void node.restart();
    }
    return 'hang';
  };
  await using _ = startTestKeepers(database);
  await until(
    'all users except suspects on the node',
    async () => {
      const count = await countSuspects(database);
      return count >= suspectCount && node.listUserNames('vless').length === 901 - count;
    },
    30_000,
  );
  await revoke(createCaller(database), { telegramId: 1n, reason: 'test' });
  const ordered = sent.length;
  gate.resolve();
  const went = await until('it is removed', () => {
    const at = sent.indexOf(ending, ordered);
    return at < 0 ? undefined : at;
  });
  // The group in progress, and the next group if its marks were just read.
  expect(went - ordered).toBeLessThanOrEqual(2 * suspectsMax);
  await untilSynced(database);
  await expectSynced(database, node);
  expect(await readEntitledNames(database)).toHaveLength(900);
}, 60_000);

test('S4: a connection that breaks again and again quarantines no suspect, and a removal runs in between', async () => {
  using node = await startNode();
  await using line = await startSlowProxy(node.api, 2);
  await using database = await createShopWithNodes({ 'nl-1': { api: line.api } });
  await createEndingSubscribers(database, 100, '2100-01-01T00:00:00Z');
  await createSubscriber(database, 1n, 0n);
  let [calls, cuts] = [0, 0];
  node.conduct = ({ method }) => {
    if (method !== 'AlterInbound') return 'serve';
    calls += 1;
    if (cuts < 3 && calls % 40 === 0) {
      cuts += 1;
      line.disconnect();
    }
    return 'serve';
  };
  await using _ = startTestKeepers(database);
  await until('the first break', () => cuts > 0);
  await revoke(createCaller(database), { telegramId: 1n, reason: 'test' });
  await until(
    'the removal is confirmed',
    async () => (await readOldestUnconfirmed(database.db)) === undefined,
    10_000,
  );
  await expectSynced(database, node, 30_000);
  await untilSynced(database);
  expect(cuts).toBe(3);
  const rows = await database.query`
    SELECT FROM perennial.notification WHERE kind = 'alarm_quarantine'`;
  expect(rows).toEqual([]);
}, 60_000);

test('S4: a credential that replaces a quarantined one is not held', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  const id = await createSubscriber(database, 1n, 0n);
  await database.query`UPDATE perennial.access_sync SET lost = 2`;
  await database.query`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    SELECT 'keep-node', 'nl-1/' || ${id}::bigint, 'kills_node: it did', now + interval '1 hour', now
    FROM (SELECT perennial.clock() AS now) clock`;
  const sent: string[] = [];
  node.conduct = ({ method, name }) => {
    if (method === 'AlterInbound') sent.push(name);
    return 'serve';
  };
  await using _ = startTestKeepers(database);
  await until('it is held', async () => {
    const rows = await database.query`
      SELECT FROM perennial.access_sync
      WHERE next_attempt_at > perennial.clock() + interval '30 s'`;
    return rows.length === 1;
  });
  expect(sent).toEqual([]);
  await reissue(createCaller(database), { telegramId: 1n, subscriptionId: id });
  await untilSynced(database);
  expect(node.listUserNames('vless')).toEqual(await readEntitledNames(database));
  expect(await database.query`SELECT FROM perennial.quarantine`).toEqual([]);
});
