import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { connectAlone } from '../../src/db/alone.ts';
import type { Tx } from '../../src/db/connect.ts';
import { revoke } from '../../src/subscription/granting.ts';
import { connectNode } from '../../src/xray/grpc/client.ts';
import { callOf, payer, runOf } from '../a-book.ts';
import { type Books, freshBooks } from '../books.ts';
import type { Fate } from '../bot-api/bot-api.ts';
import { oweOne } from '../delivery/owed.ts';
import { aStage, deliveryTo, runDelivery, told } from '../delivery/stage.ts';
import { compared, unmark } from '../nodes/compared.ts';
import { aNode, equal, keep, settled, shopOn } from '../nodes/kept.ts';
import { type Outside, outside } from '../outside.ts';
import { until } from '../service/until.ts';
import { rules } from '../tidy/rules.ts';
import { readSources } from '../tidy/source.ts';
import { beginsAt, fillMixedBook, fillReminded } from './mixed-book.ts';
import { reachedFrom } from './reached.ts';

// Connections and the network: none is used after its release, none is held while somebody on the
// network is asked, and no transaction is open then.

const fillManyReminded = (books: Books) => fillReminded(books, 5n);

const connectBy = (out: Outside) => (address: Parameters<typeof connectNode>[0]) =>
  out.through(connectNode(address));

test('F1 P5: keepers call their node with no connection held and no transaction open, whatever becomes of the calls', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  const out = outside(books);
  const subscriptionId = await payer(books, 1n, 0n);
  await payer(books, 2n, 0n);
  {
    await using _ = keep(books, { connect: connectBy(out) });
    await equal(books, node);
    await revoke(callOf(books), { telegramId: 1n, subscriptionId, reason: 'test' });
    await settled(books);
    // It forgets everybody, refuses one, and breaks off the next call.
    let refusals = 0;
    node.conduct = ({ method }) => {
      if (method !== 'AlterInbound' || refusals === 2) return 'serve';
      refusals += 1;
      return refusals === 1 ? 'garbage' : 'die';
    };
    await node.restart();
    await payer(books, 3n, 0n);
    await until('the broken call', () => (refusals === 2 ? true : undefined));
    await node.restart();
    await equal(books, node);
    await settled(books);
  }
  expect(out.wrongs).toEqual([]);
  const methods = ['health', 'inbounds', 'addUser', 'removeUser'];
  expect(Object.keys(out.calls)).toEqual(expect.arrayContaining(methods));
}, 60_000);

test('F1 P5: a comparison lists its node with no connection of the pool held and no transaction open', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  const out = outside(books);
  await payer(books, 1n, 0n);
  await unmark(books);
  const run = await compared(books, { connect: connectBy(out) });
  expect(run).toMatchObject({ outcome: 'success', changed: 1n });
  node.die();
  await compared(books, { connect: connectBy(out), asked: 'nl-1' });
  expect(out.wrongs).toEqual([]);
  expect(out.calls).toMatchObject({ inbounds: 2, listUsers: 1 });
});

test('F1 P5: a courier sends with no connection held and no transaction open, whatever becomes of the sends', async () => {
  await using stage = await aStage({ now: '2026-11-24T12:00:00Z' });
  const { books, api } = stage;
  const out = outside(books);
  const fates = ['lose', { status: 502 }, { error: 403, description: 'blocked' }];
  for (let n = 1n; n <= 12n; n += 1n) await told(stage, n);
  for (let n = 1n; n <= 12n; n += 1n) await oweOne(books, 'receipt', n);
  api.conduct = ({ n }) => (fates[n - 5] ?? 'serve') as Fate;
  const { channels, ...delivery } = deliveryTo(api);
  const watched = { ...delivery, channels: channels.map((one) => out.through(one)) };
  await runDelivery(stage, watched);
  // The rest of them, and those whose answer was lost; now it asks first.
  await books.setClock('2026-11-24T12:10:00Z');
  await sql`UPDATE perennial.courier SET failures = 2`.execute(books.db);
  await runDelivery(stage, watched);
  expect(out.wrongs).toEqual([]);
  expect(out.calls.send).toBeGreaterThanOrEqual(12);
  expect(out.calls.whyDown).toBeGreaterThanOrEqual(1);
});

test.each([
  ['auto-renewal', fillMixedBook, '2026-12-02T00:00:00Z', 'customer_id = 3'],
  ['fast-expiry-cleanup', fillMixedBook, '2026-12-02T00:00:00Z', 'customer_id = 3'],
  ['trial-notifications', fillManyReminded, '2026-11-24T12:00:00Z', 'customer_id = 8'],
  ['expiry-reminders', fillManyReminded, '2026-11-24T12:00:00Z', 'customer_id = 3'],
])(
  'F1: a run of %s gives back each connection, and uses none after that',
  async (worker, fill, now, poisoned) => {
    await using books = await freshBooks({ now: beginsAt });
    await fill(books);
    await sql`
      CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'poisoned';
      END $$`.execute(books.db);
    await sql
      .raw(`CREATE TRIGGER refuse BEFORE UPDATE ON perennial.subscription
        FOR EACH ROW WHEN (NEW.${poisoned}) EXECUTE FUNCTION public.refuse()`)
      .execute(books.db);
    await books.setClock(now);
    const troubles: { code?: string }[] = [];
    const run = await runOf(books, worker, { batchMax: 3, troubles });
    // The driver refuses a transaction's connection after its end: that would be another trouble.
    expect(new Set(troubles.map(({ code }) => code))).toEqual(new Set(['pg_P0001']));
    expect(run).toMatchObject({ outcome: 'degraded', failed: 1n });
    expect(run.changed).toBeGreaterThan(2n);
    expect(books.watch.wrongs).toEqual([]);
    expect(books.pool.idleCount).toBe(books.pool.totalCount);
  },
);

test('F1: who uses a connection after its release, or holds one across the network, is found out', async () => {
  await using books = await freshBooks();
  const client = await books.pool.connect();
  await books.watch.across('a call', () => new Promise((resolve) => setImmediate(resolve)));
  client.release();
  await client.query('SELECT 1');
  expect(books.watch.wrongs.splice(0)).toEqual([
    'held across the network: a call',
    'used after its release: SELECT 1',
  ]);
});

test('P5: a gateway that is called inside a transaction fails, also on a connection beside the pool', async () => {
  await using books = await freshBooks();
  const out = outside(books);
  const gateway = out.through({
    async *listUsers() {
      await new Promise((resolve) => setImmediate(resolve));
      yield 1;
    },
    send: () => new Promise((resolve) => setImmediate(() => resolve('sent'))),
  });
  expect(await gateway.send()).toBe('sent');
  const later = books.db.transaction().execute(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return gateway.send();
  });
  await expect(later).rejects.toThrow('send was called inside a transaction');
  await using alone = await connectAlone(books.url);
  const listed = alone.db.connection().execute(async () => {
    for await (const _ of gateway.listUsers()) return;
  });
  await expect(listed).rejects.toThrow('listUsers was called inside a connection');
  expect(books.watch.wrongs.splice(0)).toHaveLength(2);
});

test('F1: what takes a transaction is given one, and not the pool', async () => {
  await using books = await freshBooks();
  // @ts-expect-error a pool's connections are nobody's for longer than a statement
  const tx: Tx = books.db;
  expect(tx.isTransaction).toBe(false);
});

test.each([
  ['auto-renewal', 'subscription/ledger.ts'],
  ['fast-expiry-cleanup', 'subscription/ledger.ts'],
  ['trial-notifications', 'notify/outbox.ts'],
  ['expiry-reminders', 'subscription/outlook.ts'],
  ['raise-alarms', 'notify/alarms.ts'],
])('P5: no gateway can be reached from the code of %s', (worker, known) => {
  const reached = reachedFrom([`workers/${worker}/worker.ts`, 'workers/runner.ts']);
  expect(reached).toContain(known);
  expect(reached.filter((path) => /^(xray|notify\/channels|http)\//.test(path))).toEqual([]);
});

test.each(['a store knows no gateway', 'nothing on a network is named inside a transaction'])(
  'P5: %s, in the whole program',
  (title) => {
    const rule = rules.find((one) => one.title.startsWith(title));
    expect(rule?.broken(readSources())).toEqual([]);
  },
);
