import { expect, test } from 'vitest';
import { markChunk, runMarkingJobs } from '../../../src/access/marking-jobs.ts';
import { applySteps } from '../../../src/catalog/apply.ts';
import { diffCatalog } from '../../../src/catalog/diff.ts';
import { type Config, parseConfig } from '../../../src/config/config.ts';
import { readClock } from '../../../src/db/clock.ts';
import { type Db, inTransaction } from '../../../src/db/connect.ts';
import { until } from '../../../testbed/until.ts';
import { runComparison } from '../../support/comparison.ts';
import { createDatabase, type DatabaseOptions, type TestDatabase } from '../../support/database.ts';
import { hookPool } from '../../support/hooked-pool.ts';
import {
  countMarks,
  expectSynced,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../support/nodes.ts';
import { createEndingSubscribers, createSubscriber } from '../../support/shop.ts';

// Changes of plans and nodes while customers buy and keepers work.

interface CatalogOptions {
  readonly plan?: readonly string[];
  readonly nodes?: Readonly<Record<string, { readonly api: string; readonly groups?: string[] }>>;
}

const createConfig = ({ plan = ['all'], nodes = {} }: CatalogOptions): Config => {
  const listed = Object.entries(nodes).map(
    ([id, { api, groups = ['all'] }]) =>
      `  - { id: ${id}, api: "${api}", groups: [${groups}], inbounds: [vless], link: { host: ${id}.example, port: 443 } }`,
  );
  const text = `
plans: { basic: { title: Basic, groups: [${plan}], prices: { RUB: { 30: 149 } } } }
nodes:${listed.length === 0 ? ' []' : `\n${listed.join('\n')}`}`;
  return {
    ...{ path: 'perennial.yaml', file: parseConfig(text, 'perennial.yaml'), database: undefined },
    ...{ dataDir: '/nowhere', dataDirNamed: false, logLevel: 'info' },
  };
};

/** The transaction of an `apply`; `then` runs before its commit. */
const applyChange = (db: Db, options: CatalogOptions, then?: () => Promise<void>) =>
  inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    await applySteps(tx, await diffCatalog(tx, createConfig(options), now), 'test', now);
    await then?.();
  });

/** A database in which the next purchase waits before its COMMIT for `letGo`. */
async function createShopWithBarrier(options: DatabaseOptions = {}) {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let isArmed = false;
  let client: unknown;
  const database: TestDatabase = await createDatabase({
    ...options,
    wrapPool: (pool) =>
      hookPool(pool, async (moment) => {
        if (!isArmed || moment.when !== 'before') return;
        if (moment.sql.includes('INSERT INTO perennial.credential')) client = moment.client;
        if (!/^commit$/i.test(moment.sql) || moment.client !== client) return;
        reached.resolve();
        await released.promise;
      }),
  });
  return Object.assign(database, {
    arm: () => {
      isArmed = true;
    },
    isThere: reached.promise,
    letGo: () => released.resolve(),
  });
}

test('S6: a customer who buys while a plan opens another node is added there, whichever commits first', async () => {
  using node = await startNode();
  await using database = await createShopWithBarrier();
  const nodes = { a: { api: node.api, groups: ['fast'] } };
  await applyChange(database.db, { nodes });
  await using _ = startTestKeepers(database);
  await untilSynced(database);
  database.arm();
  const bought = createSubscriber(database, 1n, 0n);
  await database.isThere;
  await applyChange(database.db, { plan: ['all', 'fast'], nodes }, async () => {
    database.letGo();
    await bought;
    // By the committed plan the node is closed here, and the keeper confirms that.
    await untilSynced(database);
    expect(node.listUserNames('vless')).toEqual([]);
  });
  await runMarkingJobs(database.db);
  await expectSynced(database, node);
}, 60_000);

test('S6: a customer who buys while a node is added is added there too', async () => {
  using first = await startNode();
  using second = await startNode();
  await using database = await createShopWithBarrier();
  const a = { api: first.api };
  await applyChange(database.db, { nodes: { a } });
  await using _ = startTestKeepers(database);
  database.arm();
  const bought = createSubscriber(database, 1n, 0n);
  await database.isThere;
  // The change waits for transactions that marked the nodes before it. Otherwise it would miss
  // their customers.
  const added = applyChange(database.db, { nodes: { a, b: { api: second.api } } });
  await until('the change waits', async () => {
    const rows = await database.query`
      SELECT FROM pg_locks WHERE NOT granted AND relation = 'perennial.access_sync'::regclass
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    return rows.length > 0;
  });
  database.letGo();
  await Promise.all([bought, added]);
  for (const node of [first, second]) await expectSynced(database, node);
}, 60_000);

test('S6: a change marks only the customers whose access differs, in several transactions, lost access first', async () => {
  await using database = await createDatabase({ now: '2026-11-01T00:00:00Z' });
  const nodes = {
    a: { api: '127.0.0.1:1', groups: ['all'] },
    b: { api: '127.0.0.1:2', groups: ['fast'] },
    c: { api: '127.0.0.1:3', groups: ['all', 'fast'] },
  };
  await applyChange(database.db, { nodes });
  await createEndingSubscribers(database, 25_000, '2100-01-01T00:00:00Z');
  await applyChange(database.db, { plan: ['fast'], nodes });
  expect(await countMarks(database)).toBe(0);
  await inTransaction(database.db, async (tx) => markChunk(tx, await readClock(tx)));
  const marked = () =>
    database.query<{ node: string; urgent: boolean; marks: bigint; transactions: bigint }>`
        SELECT node_id AS node, urgent, count(*) AS marks, count(DISTINCT xmin::text) AS transactions
        FROM perennial.access_sync GROUP BY node_id, urgent ORDER BY node_id`;
  expect(await marked()).toEqual([{ node: 'a', urgent: true, marks: 10_000n, transactions: 1n }]);
  // The process that ran the job is gone. The next comparison continues the job.
  expect(await runComparison(database)).toMatchObject({
    changed: 40_000n,
    detail: { marked_after_change: 40_000 },
  });
  expect(await marked()).toEqual([
    { node: 'a', urgent: true, marks: 25_000n, transactions: 3n },
    { node: 'b', urgent: false, marks: 25_000n, transactions: 3n },
  ]);
  expect(await runMarkingJobs(database.db)).toBe(0);
}, 60_000);

test('a change that is reverted while its marks are written takes access from no customer', async () => {
  using node = await startNode();
  await using database = await createDatabase();
  const nodes = { a: { api: node.api } };
  await applyChange(database.db, { nodes });
  for (let telegramId = 1n; telegramId <= 3n; telegramId += 1n)
    await createSubscriber(database, telegramId, 0n);
  await using _ = startTestKeepers(database);
  await untilSynced(database);
  await applyChange(database.db, { plan: ['other'], nodes });
  await inTransaction(database.db, async (tx) => markChunk(tx, await readClock(tx)));
  await untilSynced(database);
  expect(node.listUserNames('vless')).toEqual([]);
  // Not complete yet: the job remains until an empty chunk.
  await applyChange(database.db, { nodes });
  await runMarkingJobs(database.db);
  await expectSynced(database, node);
});
