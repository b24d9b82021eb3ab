import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { freshBooks } from '../../../test/books.ts';
import { compared, credentialOf, marked, unmark } from '../../../test/nodes/compared.ts';
import { live, nodeHolding } from '../../../test/nodes/holding.ts';
import { aNode, nodeRow, shopOn } from '../../../test/nodes/kept.ts';
import { crowd, openShop, payer, runOf } from '../../../test/shop.ts';
import { topUp } from '../../subscription/balance.ts';
import { purchase } from '../../subscription/buying.ts';
import { connectNode } from '../../xray/grpc/client.ts';
import type { ConnectNode } from './one-node.ts';

const start = '2026-11-01T00:00:00Z';

test('X1: every live credential of 100,000 is read, also while others buy', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await crowd(books, 100_000, '2026-11-20T00:00:00Z');
  await unmark(books);
  let buyer = 0n;
  const connect = nodeHolding(
    () => live(books),
    async (step) => {
      if (step !== 'slice' || buyer >= 20n) return;
      if (buyer === 0n) await books.setClock('2026-11-01T00:00:01Z');
      buyer += 1n;
      await payer(books, buyer, 0n);
    },
  );
  const run = await compared(books, { connect });
  const none = { missing: 0, unwanted: 0, different: 0, unknown: 0, conflict: 0 };
  expect(run).toMatchObject({ outcome: 'success', changed: 0n, detail: none });
  // And whoever is not there of them is found, each.
  const few = nodeHolding(async () => (await live(books)).filter((_, at) => at % 1_000 !== 0));
  await unmark(books);
  const found = await compared(books, { connect: few, asked: 'nl-1' });
  expect(found.detail).toMatchObject({ ...none, missing: 101, marked: 101 });
}, 120_000);

test.each(['inbounds', 'list', 'answer', 'slice', 'end'])(
  'X2: who buys or pays late at the step "%s", and is on the node at once, is not removed',
  async (at) => {
    await using books = await freshBooks({ now: start });
    await openShop(books);
    const late = await payer(books, 1n, 0n);
    await books.setClock('2026-12-02T00:00:00Z');
    await runOf(books, 'fast-expiry-cleanup');
    const old = await credentialOf(books, late);
    await payer(books, 2n, 0n);
    await unmark(books);
    await books.setClock('2026-12-02T00:00:01Z');
    const call = { db: books.db, actor: 'test' };
    let done = false;
    const connect = nodeHolding(
      () => live(books),
      async (step) => {
        if (step !== at || done) return;
        done = true;
        await books.setClock('2026-12-02T00:00:02Z');
        await topUp(call, { telegramId: 1n, amountMinor: 149_00n });
        await purchase(call, {
          telegramId: 1n,
          plan: 'basic',
          periodDays: 30,
          subscriptionId: late,
        });
        await payer(books, 3n, 0n);
        await unmark(books); // their keeper was quick
      },
    );
    const run = await compared(books, { connect });
    expect(done).toBe(true);
    expect(await credentialOf(books, late)).toBe(old);
    expect(run.detail).toMatchObject({ unwanted: 0, unknown: 0, different: 0, conflict: 0 });
    expect((await marked(books)).filter(({ urgent }) => urgent)).toEqual([]);
  },
);

test('X4: after three failures nobody asks the node for 10 minutes; then one does, of all replicas', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await payer(books, 1n, 0n);
  let asked = 0;
  const connect: ConnectNode = (address) => {
    asked += 1;
    return connectNode(address);
  };
  for (let run = 1; run <= 3; run += 1) {
    expect(await compared(books, { connect })).toMatchObject({
      outcome: 'degraded',
      failed: 1n,
      detail: { errors: { 'nl-1': expect.stringMatching(/no connection/) } },
    });
  }
  expect(asked).toBe(3);
  await books.setClock('2026-11-01T00:09:59.999Z');
  expect(await compared(books, { connect })).toMatchObject({ outcome: 'success', examined: 0n });
  expect(asked).toBe(3);
  await books.setClock('2026-11-01T00:10:00Z');
  await Promise.all([1, 2, 3, 4].map(() => compared(books, { connect })));
  expect(asked).toBe(4);
  expect(await nodeRow(books, 'nl-1')).toMatchObject({
    reconcile_failures: 4,
    reconcile_error: expect.stringMatching(/no connection/),
  });
  // One that answers closes it.
  await books.setClock('2026-11-01T00:20:00Z');
  await compared(books, { connect: nodeHolding(() => live(books)) });
  expect(await nodeRow(books, 'nl-1')).toMatchObject({
    reconcile_failures: 0,
    reconcile_open_until: null,
    reconcile_error: null,
  });
  await books.setClock('2026-11-01T00:29:59Z');
  await compared(books, { connect });
  expect(asked).toBe(4);
});

test('one node that hangs and one that answers garbage fail clearly, the others are compared', async () => {
  using well = await aNode();
  using hangs = await aNode();
  using lies = await aNode();
  await using books = await shopOn({
    a: { api: hangs.api },
    b: { api: lies.api },
    c: { api: well.api },
    d: { api: well.api.replace('127.0.0.1', 'localhost'), inbounds: ['gone'] },
  });
  await payer(books, 1n, 0n);
  await unmark(books);
  hangs.conduct = () => 'hang';
  lies.conduct = () => 'garbage';
  const run = await compared(books);
  expect(run).toMatchObject({ outcome: 'degraded', failed: 3n, detail: { nodes: 1, missing: 1 } });
  expect(run.detail.errors).toMatchObject({
    a: expect.stringMatching(/no answer within 5 s/),
    b: expect.stringMatching(/can't be read/),
    d: expect.stringMatching(/no inbound "gone"/),
  });
  expect(await marked(books, 'c')).toHaveLength(1);
  expect(await marked(books, 'a')).toEqual([]);
}, 60_000);

test('P5: no transaction is open while a node is asked', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await payer(books, 1n, 0n);
  await unmark(books);
  const seen: string[] = [];
  const connect = nodeHolding(
    () => live(books),
    async (step) => {
      if (step !== 'inbounds' && step !== 'list' && step !== 'answer') return;
      const { rows } = await sql<{ state: string }>`
        SELECT state FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND xact_start IS NOT NULL`.execute(books.db);
      seen.push(...rows.map(({ state }) => `${step}: ${state}`));
    },
  );
  expect(await compared(books, { connect })).toMatchObject({ outcome: 'success' });
  expect(seen).toEqual([]);
});

test('P6: a run is recorded with what it found, and one without anything to do leaves no record', async () => {
  await using books = await freshBooks({ now: start });
  await openShop(books);
  await payer(books, 1n, 0n);
  await unmark(books);
  await compared(books, { connect: nodeHolding(async () => []) });
  await compared(books, { connect: nodeHolding(async () => []) });
  const { rows } = await sql`
    SELECT outcome, examined, changed, failed, detail FROM perennial.worker_run
    WHERE worker = 'reconcile-xray-state'`.execute(books.db);
  expect(rows).toMatchObject([
    { outcome: 'success', examined: 1n, changed: 1n, failed: 0n, detail: { missing: 1, nodes: 1 } },
  ]);
});
