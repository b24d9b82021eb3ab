import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { startChild } from '../matrix/child.ts';
import { until } from '../service/until.ts';
import { crowd, payer } from '../shop.ts';
import { aNode, equal, type Kept, keep, namesInBooks, settled, shopOn } from './kept.ts';

// Keepers of several processes on the same nodes.

type Books = Awaited<ReturnType<typeof shopOn>>;

/** How often a node was taken, over all of them. */
async function taken({ db }: Books): Promise<number> {
  const { rows } = await sql<{ taken: bigint }>`
    SELECT sum(keeper_epoch)::bigint AS taken FROM perennial.node`.execute(db);
  return Number(rows[0]?.taken);
}

/** Waits until each has so many, all different. */
const spread = (keepers: readonly Kept[], counts: readonly number[], deadlineMs?: number) =>
  until(
    `${counts} nodes each (there are ${keepers.map((each) => each.kept().length)})`,
    () => {
      const all = keepers.flatMap((each) => each.kept());
      const fits = keepers.every((each, at) => each.kept().length === counts[at]);
      return fits && new Set(all).size === all.length ? true : undefined;
    },
    deadlineMs,
  );

const entry = new URL('./keepers-entry.ts', import.meta.url);

test('nodes are shared by who is there: each has its share, only what has to move moves, and a dead one is replaced at once', async () => {
  const nodes = await Promise.all([1, 2, 3, 4, 5, 6].map(() => aNode()));
  await using books = await shopOn(
    Object.fromEntries(nodes.map(({ api }, at) => [`n${at}`, { api }])),
  );
  let customers = 0n;
  /** Somebody buys, and is on all nodes; nobody who was there is gone. */
  const sell = async () => {
    customers += 1n;
    await payer(books, customers, 0n);
    await settled(books);
    for (const node of nodes) {
      expect([...node.names('vless')].sort()).toEqual(await namesInBooks(books));
    }
  };
  try {
    const steadyMs = 300;
    await using one = keep(books, { steadyMs });
    await spread([one], [6]);
    await sell();
    await using two = keep(books, { steadyMs });
    await spread([one, two], [3, 3]);
    await sell();
    expect(await taken(books)).toBe(6 + 3);
    const late = startChild(entry, [books.url]);
    await spread([one, two], [2, 2]);
    await sell();
    expect(await taken(books)).toBe(6 + 3 + 2);
    await late[Symbol.asyncDispose](); // SIGKILL
    await spread([one, two], [3, 3], 5_000);
    await sell();
    await two.stop();
    await spread([one], [6], 5_000);
    await sell();
    expect(await taken(books)).toBe(6 + 3 + 2 + 2 + 3);
  } finally {
    for (const node of nodes) node.stop();
  }
}, 90_000);

test('a process that is there for a short time only moves no node', async () => {
  await using books = await shopOn({ a: { api: '127.0.0.1:1' }, b: { api: '127.0.0.1:2' } });
  await using one = keep(books, { steadyMs: 60_000, pollMs: 20 });
  await spread([one], [2]);
  for (let times = 1; times <= 3; times += 1) {
    await using guest = keep(books, { pollMs: 20 });
    await until('it is counted', async () => {
      const { rows } = await sql`
        SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.classid = 73737`.execute(
        books.db,
      );
      return rows.length === 2 ? true : undefined;
    });
    expect(guest.kept()).toEqual([]);
  }
  expect(one.kept()).toEqual(['a', 'b']);
  expect(await taken(books)).toBe(2);
});

test('X6: a node that was started again while nobody kept it is filled, however soon after its first start', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  await crowd(books, 20, '2100-01-01T00:00:00Z');
  {
    await using _ = keep(books);
    await equal(books, node);
    await settled(books);
  }
  await node.restart();
  await using _ = keep(books);
  await equal(books, node);
});

test('more processes than nodes: those without one have the first that becomes free', async () => {
  await using books = await shopOn({ a: { api: '127.0.0.1:1' } });
  await using one = keep(books);
  await spread([one], [1]);
  await using two = keep(books);
  await using three = keep(books);
  await one.stop();
  await until('a successor', () =>
    two.kept().length + three.kept().length === 1 ? true : undefined,
  );
  expect(await taken(books)).toBe(2);
});
