import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { freshBooks } from '../../../test/books.ts';
import { compared, marked, unmark } from '../../../test/nodes/compared.ts';
import { live, nodeHolding } from '../../../test/nodes/holding.ts';
import { shopOn } from '../../../test/nodes/kept.ts';
import { crowd, openShop, payer } from '../../../test/shop.ts';
import { forgetNode } from '../../catalog/leaving.ts';
import { connectAlone } from '../../db/alone.ts';
import { readClock } from '../../db/clock.ts';
import { inTransaction } from '../../db/connect.ts';
import { type ListedNode, readNodes } from './node-store.ts';
import { type ConnectNode, listAndCompare } from './one-node.ts';
import { mark } from './store.ts';
import { confirmUnknown } from './stray-store.ts';

// What becomes of the books while a node's list is read and compared.

const start = '2026-11-01T00:00:00Z';

/** Everybody of the crowd has ended, and their keeper has confirmed it. */
async function waveConfirmed(books: Parameters<typeof unmark>[0]): Promise<void> {
  await sql`
    UPDATE perennial.credential SET retired_at = perennial.clock() WHERE retired_at IS NULL
      AND customer_id IN (SELECT id FROM perennial.customer WHERE telegram_id > 1000000)`.execute(
    books.db,
  );
  await unmark(books);
}

test('X3: many who end, and are off the node, between its list and the books are no removals to be held', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await crowd(books, 150, '2100-01-01T00:00:00Z');
  await payer(books, 1n, 0n);
  await unmark(books);
  let lists = 0;
  const connect = nodeHolding(
    () => live(books),
    async (step) => {
      if (step !== 'end') return;
      lists += 1;
      if (lists === 1) await waveConfirmed(books);
    },
  );
  const run = await compared(books, { connect });
  expect(run).toMatchObject({ outcome: 'success', detail: { unwanted: 0, held: 0, marked: 0 } });
  expect(lists).toBe(2);
  const alarms = await sql`
    SELECT FROM perennial.notification WHERE kind = 'alarm_guard'`.execute(books.db);
  expect(alarms.rows).toEqual([]);
});

test('X3: others who end in the second look are left to the next comparison, without an alarm', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await crowd(books, 300, '2100-01-01T00:00:00Z');
  await unmark(books);
  const all = await live(books);
  let lists = 0;
  const connect = nodeHolding(
    async () => live(books),
    async (step) => {
      if (step !== 'end') return;
      lists += 1;
      const half = all.slice((lists - 1) * 150, lists * 150).map(({ id }) => id);
      await sql`
        UPDATE perennial.credential SET retired_at = perennial.clock()
        WHERE id = ANY (${half}::uuid[])`.execute(books.db);
    },
  );
  const run = await compared(books, { connect });
  expect(run).toMatchObject({ outcome: 'success', detail: { unwanted: 150, held: 0, marked: 0 } });
  expect(await marked(books)).toEqual([]);
});

test('a node that is forgotten while it is compared is nothing to be said of, and the others are compared', async () => {
  await using books = await shopOn({ a: { api: '127.0.0.1:1' }, b: { api: '127.0.0.1:2' } });
  await payer(books, 1n, 0n);
  await unmark(books);
  const forget = (id: string) =>
    inTransaction(books.db, async (tx) => forgetNode(tx, id, 'test', await readClock(tx)));
  const connect: ConnectNode = (address) =>
    nodeHolding(
      async () => [],
      async (step) => {
        if (step === 'end' && address.api === '127.0.0.1:1') await forget('a');
      },
    )(address);
  const run = await compared(books, { connect });
  expect(run).toMatchObject({ outcome: 'success', failed: 0n, detail: { nodes: 1, marked: 1 } });
  expect(run.ends).toContainEqual({ node: 'a', end: 'left', reason: 'it is gone' });
  // And between the comparison and the marks.
  await using connection = await connectAlone(books.url);
  const api = nodeHolding(async () => [])({ api: '' });
  const [node] = (await readNodes(books.db)) as [ListedNode];
  await listAndCompare(connection, () => api, node, { signal: new AbortController().signal });
  await forget('b');
  const { db } = connection;
  const now = await readClock(db);
  const meant = { node: 'b', kinds: ['missing'] as const, now };
  expect(await inTransaction(db, (tx) => mark(tx, meant, 0, 10))).toBe(0);
  await sql`UPDATE drift SET kind = 'unknown', name = 'x', ours = credential_id`.execute(db);
  const confirming = { node: 'b', bootAt: null, actor: 'test', now };
  expect(await inTransaction(db, (tx) => confirmUnknown(tx, confirming, 0, 10))).toBe(0);
});
