import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { carryOut } from '../../src/catalog/apply.ts';
import { difference } from '../../src/catalog/difference.ts';
import { type Config, readConfig } from '../../src/config.ts';
import { readClock } from '../../src/db/clock.ts';
import { type Db, inTransaction } from '../../src/db/connect.ts';
import { finishMarking, markStretch } from '../../src/subscription/marking.ts';
import { type Books, type BooksOptions, freshBooks } from '../books.ts';
import { hookPool } from '../hooked-pool.ts';
import { until } from '../service/until.ts';
import { crowd, payer } from '../shop.ts';
import { compared } from './compared.ts';
import { aNode, equal, keep, marksOf, settled } from './kept.ts';

// What a plan opens, and who may connect to a node, is changed while others buy and keepers work.

interface Wanted {
  readonly plan?: readonly string[];
  readonly nodes?: Readonly<Record<string, { readonly api: string; readonly groups?: string[] }>>;
}

const file = ({ plan = ['all'], nodes = {} }: Wanted): Config => {
  const listed = Object.entries(nodes).map(
    ([id, { api, groups = ['all'] }]) =>
      `  - { id: ${id}, api: "${api}", groups: [${groups}], inbounds: [vless], link: { host: ${id}.example, port: 443 } }`,
  );
  const text = `
plans: { basic: { title: Basic, groups: [${plan}], prices: { RUB: { 30: 149 } } } }
nodes:${listed.length === 0 ? ' []' : `\n${listed.join('\n')}`}`;
  return {
    ...{ path: 'perennial.yaml', file: readConfig(text, 'perennial.yaml'), database: undefined },
    ...{ dataDir: '/nowhere', dataDirNamed: false, logLevel: 'info' },
  };
};

/** The transaction of an `apply`; `then` is what happens before it commits. */
const change = (db: Db, wanted: Wanted, then?: () => Promise<void>) =>
  inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    await carryOut(tx, await difference(tx, file(wanted), now), 'test', now);
    await then?.();
  });

/** Books in which the next purchase waits before its COMMIT for `letGo`. */
async function withBarrier(options: BooksOptions = {}) {
  const there = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let armed = false;
  let client: unknown;
  const books: Books = await freshBooks({
    ...options,
    wrapPool: (pool) =>
      hookPool(pool, async (moment) => {
        if (!armed || moment.when !== 'before') return;
        if (moment.sql.includes('INSERT INTO perennial.credential')) client = moment.client;
        if (!/^commit$/i.test(moment.sql) || moment.client !== client) return;
        there.resolve();
        await go.promise;
      }),
  });
  return Object.assign(books, {
    arm: () => {
      armed = true;
    },
    isThere: there.promise,
    letGo: () => go.resolve(),
  });
}

test('S6: who buys while a plan comes to open another node is put on it, whichever commits first', async () => {
  using node = await aNode();
  await using books = await withBarrier();
  const nodes = { a: { api: node.api, groups: ['fast'] } };
  await change(books.db, { nodes });
  await using _ = keep(books);
  await settled(books);
  books.arm();
  const bought = payer(books, 1n, 0n);
  await books.isThere;
  await change(books.db, { plan: ['all', 'fast'], nodes }, async () => {
    books.letGo();
    await bought;
    // By what is committed the plan opens nothing here, and that is what the keeper confirms.
    await settled(books);
    expect(node.names('vless')).toEqual([]);
  });
  await finishMarking(books.db);
  await equal(books, node);
}, 60_000);

test('S6: who buys while another node is added is put on it too', async () => {
  using first = await aNode();
  using second = await aNode();
  await using books = await withBarrier();
  const a = { api: first.api };
  await change(books.db, { nodes: { a } });
  await using _ = keep(books);
  books.arm();
  const bought = payer(books, 1n, 0n);
  await books.isThere;
  // Whoever has marked the nodes that he saw is waited for: before him, he would be missed.
  const added = change(books.db, { nodes: { a, b: { api: second.api } } });
  await until('the change waits', async () => {
    const { rows } = await sql`
      SELECT FROM pg_locks WHERE NOT granted AND relation = 'perennial.access_sync'::regclass
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`.execute(
      books.db,
    );
    return rows.length > 0 ? true : undefined;
  });
  books.letGo();
  await Promise.all([bought, added]);
  for (const node of [first, second]) await equal(books, node);
}, 60_000);

test('S6: a change is marked by several transactions, those who lose access first, and only whom it concerns', async () => {
  await using books = await freshBooks({ now: '2026-11-01T00:00:00Z' });
  const nodes = {
    a: { api: '127.0.0.1:1', groups: ['all'] },
    b: { api: '127.0.0.1:2', groups: ['fast'] },
    c: { api: '127.0.0.1:3', groups: ['all', 'fast'] },
  };
  await change(books.db, { nodes });
  await crowd(books, 25_000, '2100-01-01T00:00:00Z');
  await change(books.db, { plan: ['fast'], nodes });
  expect(await marksOf(books)).toBe(0);
  await inTransaction(books.db, async (tx) => markStretch(tx, await readClock(tx)));
  const marked = async () =>
    (
      await sql<{ node: string; urgent: boolean; marks: bigint; transactions: bigint }>`
        SELECT node_id AS node, urgent, count(*) AS marks, count(DISTINCT xmin::text) AS transactions
        FROM perennial.access_sync GROUP BY node_id, urgent ORDER BY node_id`.execute(books.db)
    ).rows;
  expect(await marked()).toEqual([{ node: 'a', urgent: true, marks: 10_000n, transactions: 1n }]);
  // Whoever was at it is gone: the next comparison goes on, where that ended.
  expect(await compared(books)).toMatchObject({
    changed: 40_000n,
    detail: { marked_after_change: 40_000 },
  });
  expect(await marked()).toEqual([
    { node: 'a', urgent: true, marks: 25_000n, transactions: 3n },
    { node: 'b', urgent: false, marks: 25_000n, transactions: 3n },
  ]);
  expect(await finishMarking(books.db)).toBe(0);
}, 60_000);

test('a change that is taken back while it is marked leaves nobody without access', async () => {
  using node = await aNode();
  await using books = await freshBooks();
  const nodes = { a: { api: node.api } };
  await change(books.db, { nodes });
  for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n) await payer(books, telegramId, 0n);
  await using _ = keep(books);
  await settled(books);
  await change(books.db, { plan: ['other'], nodes });
  await inTransaction(books.db, async (tx) => markStretch(tx, await readClock(tx)));
  await settled(books);
  expect(node.names('vless')).toEqual([]);
  // Not whole yet: the order stands until an empty stretch.
  await change(books.db, { nodes });
  await finishMarking(books.db);
  await equal(books, node);
});
