import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { deleteNode } from '../../../../src/catalog/remove-node.ts';
import { readClock } from '../../../../src/db/clock.ts';
import { inTransaction } from '../../../../src/db/connect.ts';
import { openSingleConnection } from '../../../../src/db/single-connection.ts';
import {
  type ConnectNode,
  listAndCompare,
} from '../../../../src/workers/reconcile-xray-state/compare-node.ts';
import {
  type ListedNode,
  readNodes,
} from '../../../../src/workers/reconcile-xray-state/node-store.ts';
import { markDrift } from '../../../../src/workers/reconcile-xray-state/store.ts';
import { confirmUnknown } from '../../../../src/workers/reconcile-xray-state/stray-store.ts';
import { deleteMarks, readMarks, runComparison } from '../../../support/comparison.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { createShopWithNodes } from '../../../support/nodes.ts';
import {
  createEndingSubscribers,
  createShopDatabase,
  createSubscriber,
} from '../../../support/shop.ts';
import { createFakeNode, readLiveUsers } from './fake-node.ts';

// Changes of the database while the list of a node is read and compared.

const start = '2026-11-01T00:00:00Z';

/** All customers of this group have expired, and their keeper has confirmed it. */
async function confirmWave(database: TestDatabase): Promise<void> {
  await database.query`
    UPDATE perennial.credential SET retired_at = perennial.clock() WHERE retired_at IS NULL
      AND customer_id IN (SELECT id FROM perennial.customer WHERE telegram_id > 1000000)`;
  await deleteMarks(database);
}

test('X3: many who expire, and leave the node, between its list and the database are no removals to hold', async () => {
  await using database = await createShopDatabase({ now: start });
  await createEndingSubscribers(database, 150, '2100-01-01T00:00:00Z');
  await createSubscriber(database, 1n, 0n);
  await deleteMarks(database);
  let lists = 0;
  const connect = createFakeNode(
    () => readLiveUsers(database),
    async (step) => {
      if (step !== 'end') return;
      lists += 1;
      if (lists === 1) await confirmWave(database);
    },
  );
  const run = await runComparison(database, { connect });
  expect(run).toMatchObject({ outcome: 'success', detail: { unwanted: 0, held: 0, marked: 0 } });
  expect(lists).toBe(2);
  const alarms = await sql`
    SELECT FROM perennial.notification WHERE kind = 'alarm_guard'`.execute(database.db);
  expect(alarms.rows).toEqual([]);
});

test('X3: others who expire in the second comparison are left to the next one, without an alarm', async () => {
  await using database = await createShopDatabase({ now: start });
  await createEndingSubscribers(database, 300, '2100-01-01T00:00:00Z');
  await deleteMarks(database);
  const all = await readLiveUsers(database);
  let lists = 0;
  const connect = createFakeNode(
    async () => readLiveUsers(database),
    async (step) => {
      if (step !== 'end') return;
      lists += 1;
      const half = all.slice((lists - 1) * 150, lists * 150).map(({ id }) => id);
      await database.query`
        UPDATE perennial.credential SET retired_at = perennial.clock()
        WHERE id = ANY (${half}::uuid[])`;
    },
  );
  const run = await runComparison(database, { connect });
  expect(run).toMatchObject({ outcome: 'success', detail: { unwanted: 150, held: 0, marked: 0 } });
  expect(await readMarks(database)).toEqual([]);
});

test('a node that is removed while it is compared is left out, and the others are compared', async () => {
  await using database = await createShopWithNodes({
    a: { api: '127.0.0.1:1' },
    b: { api: '127.0.0.1:2' },
  });
  await createSubscriber(database, 1n, 0n);
  await deleteMarks(database);
  const forget = (id: string) =>
    inTransaction(database.db, async (tx) => deleteNode(tx, id, 'test', await readClock(tx)));
  const connect: ConnectNode = (address) =>
    createFakeNode(
      async () => [],
      async (step) => {
        if (step === 'end' && address.api === '127.0.0.1:1') await forget('a');
      },
    )(address);
  const run = await runComparison(database, { connect });
  expect(run).toMatchObject({ outcome: 'success', failed: 0n, detail: { nodes: 1, marked: 1 } });
  expect(run.ends).toContainEqual({ node: 'a', is: 'left', reason: 'the node was removed' });
  // And between the comparison and the marks.
  await using connection = await openSingleConnection(database.url);
  const api = createFakeNode(async () => [])({ api: '' });
  const [node] = (await readNodes(database.db)) as [ListedNode];
  await listAndCompare(connection, () => api, node, { signal: new AbortController().signal });
  await forget('b');
  const { db } = connection;
  const now = await readClock(db);
  const marking = { node: 'b', kinds: ['missing'] as const, now };
  expect(await inTransaction(db, (tx) => markDrift(tx, marking, 0, 10))).toBe(0);
  await sql`UPDATE drift SET kind = 'unknown', name = 'x', ours = credential_id`.execute(db);
  const confirming = { node: 'b', bootAt: null, actor: 'test', now };
  expect(await inTransaction(db, (tx) => confirmUnknown(tx, confirming, 0, 10))).toBe(0);
});
