import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { until } from '../../../../testbed/until.ts';
import { startProcess } from '../../../support/child-process.ts';
import {
  createShopWithNodes,
  expectSynced,
  type RunningKeepers,
  readEntitledNames,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import { createEndingSubscribers, createSubscriber } from '../../../support/shop.ts';

// The keepers of several processes for the same nodes.

type NodesDatabase = Awaited<ReturnType<typeof createShopWithNodes>>;

/** @returns the number of takeovers over all nodes */
async function countTaken({ db }: NodesDatabase): Promise<number> {
  const { rows } = await sql<{ taken: bigint }>`
    SELECT sum(keeper_epoch)::bigint AS taken FROM perennial.node`.execute(db);
  return Number(rows[0]?.taken);
}

/** Waits until each process keeps this number of nodes, all different. */
const untilSpread = (
  keepers: readonly RunningKeepers[],
  counts: readonly number[],
  deadlineMs?: number,
) =>
  until(
    `${counts} nodes each (there are ${keepers.map((each) => each.listNodes().length)})`,
    () => {
      const all = keepers.flatMap((each) => each.listNodes());
      const fits = keepers.every((each, at) => each.listNodes().length === counts[at]);
      return fits && new Set(all).size === all.length;
    },
    deadlineMs,
  );

const entry = new URL('./keepers-process.ts', import.meta.url);

test('each replica keeps its share, only surplus nodes move, and a crashed replica is replaced at once', async () => {
  const nodes = await Promise.all([1, 2, 3, 4, 5, 6].map(() => startNode()));
  await using database = await createShopWithNodes(
    Object.fromEntries(nodes.map(({ api }, at) => [`n${at}`, { api }])),
  );
  let customers = 0n;
  /** A purchase reaches all nodes, and all earlier users stay there. */
  const sell = async () => {
    customers += 1n;
    await createSubscriber(database, customers, 0n);
    await untilSynced(database);
    for (const node of nodes) {
      expect([...node.listUserNames('vless')].sort()).toEqual(await readEntitledNames(database));
    }
  };
  try {
    const steadyMs = 300;
    await using one = startTestKeepers(database, { steadyMs });
    await untilSpread([one], [6]);
    await sell();
    await using two = startTestKeepers(database, { steadyMs });
    await untilSpread([one, two], [3, 3]);
    await sell();
    expect(await countTaken(database)).toBe(6 + 3);
    const late = startProcess(entry, [database.url]);
    await untilSpread([one, two], [2, 2]);
    await sell();
    expect(await countTaken(database)).toBe(6 + 3 + 2);
    await late[Symbol.asyncDispose](); // SIGKILL
    await untilSpread([one, two], [3, 3], 5_000);
    await sell();
    await two.stop();
    await untilSpread([one], [6], 5_000);
    await sell();
    expect(await countTaken(database)).toBe(6 + 3 + 2 + 2 + 3);
  } finally {
    for (const node of nodes) node.stop();
  }
}, 90_000);

test('a replica that runs only for a short time moves no node', async () => {
  await using database = await createShopWithNodes({
    a: { api: '127.0.0.1:1' },
    b: { api: '127.0.0.1:2' },
  });
  await using one = startTestKeepers(database, { steadyMs: 60_000, pollMs: 20 });
  await untilSpread([one], [2]);
  for (let times = 1; times <= 3; times += 1) {
    await using guest = startTestKeepers(database, { pollMs: 20 });
    await until('it is counted', async () => {
      const rows = await database.query`
        SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.classid = 73737`;
      return rows.length === 2;
    });
    expect(guest.listNodes()).toEqual([]);
  }
  expect(one.listNodes()).toEqual(['a', 'b']);
  expect(await countTaken(database)).toBe(2);
});

test('X6: a node that restarted without a keeper is seeded, also right after its first start', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await createEndingSubscribers(database, 20, '2100-01-01T00:00:00Z');
  {
    await using _ = startTestKeepers(database);
    await expectSynced(database, node);
    await untilSynced(database);
  }
  await node.restart();
  await using _ = startTestKeepers(database);
  await expectSynced(database, node);
});

test('a replica without a node gets the first free one', async () => {
  await using database = await createShopWithNodes({ a: { api: '127.0.0.1:1' } });
  await using one = startTestKeepers(database);
  await untilSpread([one], [1]);
  await using two = startTestKeepers(database);
  await using three = startTestKeepers(database);
  await one.stop();
  await until('a successor', () => two.listNodes().length + three.listNodes().length === 1);
  expect(await countTaken(database)).toBe(2);
});
