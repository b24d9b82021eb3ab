import { describe, expect, test } from 'vitest';
import type { SubscriptionId } from '../../src/kernel/ids.ts';
import { findXrayOrSkip } from '../../testbed/real-xray.ts';
import { until } from '../../testbed/until.ts';
import { readCredential } from '../support/comparison.ts';
import type { TestDatabase } from '../support/database.ts';
import { setRemainingTime } from '../support/due-subscriptions.ts';
import { createShopWithNodes, expectSynced, untilSynced } from '../support/nodes.ts';
import { startPerennial } from '../support/perennial-process.ts';
import { startClient, startRealNode } from '../support/real-node.ts';
import {
  addBalance,
  createEndingSubscribers,
  createSubscriber,
  expectSubscription,
  readSubscription,
} from '../support/shop.ts';

// Real clients of customers, with `perennial start` as a process and a real Xray that serves them.
// The clock is real, because the promises to customers are in real time.

const path = findXrayOrSkip('customers who connect through a real Xray') ?? '';

/** Waits until the end of the subscription, by the clock of the database. */
const untilEnded = ({ query }: TestDatabase, id: SubscriptionId) =>
  until('its end', async () => {
    const rows = await query`
      SELECT FROM perennial.subscription WHERE id = ${id} AND expires_at <= clock_timestamp()`;
    return rows.length === 1;
  });

describe.skipIf(path === '')('a customer with a client and a real Xray', () => {
  test('a purchase gives access until at most 5 s after the end, and a late payment gives it back with the same UUID', async () => {
    await using node = await startRealNode(path);
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    await using service = startPerennial(['start'], { url: database.url });
    await service.untilReady();
    const id = await createSubscriber(database, 1n, 0n);
    const uuid = await readCredential(database, id);
    await using client = await startClient(path, node, uuid);
    await client.untilConnected(5_000);

    await setRemainingTime(database, id, 3_000);
    expect(await client.canConnect()).toBe(true);
    await untilEnded(database, id);
    await client.untilRefused(5_000);
    await expectSubscription(database, id, { state: 'expired', live: 0 });

    await addBalance(database, 1n, 149_00n);
    await client.untilConnected(10_000);
    await expectSubscription(database, id, { state: 'active', live: 1, charges: 2 });
    expect(await readCredential(database, id)).toBe(uuid);
  }, 90_000);

  test('X6: after a crash and a restart of Xray with 1,000 users, clients connect again within 10 s, without help', async () => {
    await using node = await startRealNode(path);
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    await createEndingSubscribers(database, 1_000, '2100-01-01T00:00:00Z');
    const rows = await database.query<{ id: SubscriptionId }>`
      SELECT max(id) AS id FROM perennial.subscription`;
    const last = await readCredential(database, rows[0]?.id ?? (0n as SubscriptionId));
    await using service = startPerennial(['start'], { url: database.url });
    await service.untilReady();
    await using client = await startClient(path, node, last);
    await client.untilConnected(20_000);
    await untilSynced(database);
    await node.xray.kill();
    expect(await client.canConnect()).toBe(false);
    await node.xray.start();
    await client.untilConnected(10_000);
    await untilSynced(database);
    await expectSynced(database, node, 5_000);
    expect(await node.count()).toBe(1_000);
  }, 90_000);

  test('F2: a user who expires while the node is down is removed within 10 s of its return, and a paid user stays', async () => {
    await using node = await startRealNode(path);
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    const ending = await createSubscriber(database, 1n, 0n);
    const paying = await createSubscriber(database, 2n, 0n);
    await using service = startPerennial(['start'], { url: database.url });
    await service.untilReady();
    await using one = await startClient(path, node, await readCredential(database, ending));
    await using two = await startClient(path, node, await readCredential(database, paying));
    await one.untilConnected(20_000);
    await two.untilConnected(20_000);
    await node.xray.kill();
    await setRemainingTime(database, ending, 500);
    await until(
      'it expired in the database',
      async () => (await readSubscription(database, ending)).state === 'expired',
    );
    await node.xray.start();
    await two.untilConnected(10_000);
    await untilSynced(database, 'nl-1', 10_000);
    expect(await one.canConnect()).toBe(false);
    expect(await node.count()).toBe(1);
  }, 90_000);
});
