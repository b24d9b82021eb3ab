import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { readClock } from '../../../src/db/clock.ts';
import { inTransaction } from '../../../src/db/connect.ts';
import { instant } from '../../../src/kernel/instant.ts';
import { openReplica } from '../../../src/leases/replica.ts';
import { reserveRunId, startRun } from '../../../src/runs/run-record.ts';
import { revoke } from '../../../src/subscription/commands/revoke.ts';
import { seedChunk } from '../../../src/workers/keep-node/node-store.ts';
import type { CallBehavior } from '../../../src/xray/embedded/node.ts';
import { until } from '../../../testbed/until.ts';
import { growingTables, isBounded } from '../../support/bounded-statement.ts';
import { deleteMarks, runComparison } from '../../support/comparison.ts';
import type { TestDatabase } from '../../support/database.ts';
import { hookDatabase } from '../../support/hooked-pool.ts';
import { silentLog } from '../../support/log.ts';
import {
  createShopWithNodes,
  expectSynced,
  readNode,
  startNode,
  startTestKeepers,
  type TestNode,
  untilSynced,
} from '../../support/nodes.ts';
import { startPerennial } from '../../support/perennial-process.ts';
import { createCaller, createSubscriber, createSubscribers } from '../../support/shop.ts';

// Guarantees of every worker, for the workers with nodes: comparisons, which are runs, and keepers,
// which run all the time.

const name = 'reconcile-xray-state';

const readRunRecords = async ({ query }: TestDatabase) =>
  await query<{ outcome: string; examined: bigint; failed: bigint; detail: object }>`
      SELECT outcome, examined, failed, detail FROM perennial.worker_run
      WHERE worker = ${name} ORDER BY id`;

test('P3: a comparison with a spent budget leaves nodes to the next run, which compares those', async () => {
  const nodes = await Promise.all(Array.from({ length: 6 }, () => startNode()));
  try {
    const database = await createShopWithNodes(
      Object.fromEntries(nodes.map(({ api }, at) => [`n-${at}`, { api }])),
      { now: '2026-11-01T00:00:00Z' },
    );
    await using _ = database;
    let lists = 0;
    for (const node of nodes) {
      node.conduct = ({ method }) => {
        if (method === 'ListInbounds') lists += 1;
        return 'serve';
      };
    }
    const elapsedMs = () => (lists > 0 ? 1_000 : 0);
    const first = await runComparison(database, { budgetMs: 1_000, elapsedMs });
    expect(first).toMatchObject({ outcome: 'partial', detail: { nodes: 4, work_left: true } });
    const rest = new Set(nodes.map((_, at) => `n-${at}`));
    for (const { node } of first.ends) rest.delete(node);
    const second = await runComparison(database);
    expect(second).toMatchObject({ outcome: 'success' });
    expect(new Set(second.ends.map(({ node }) => node))).toEqual(rest);
  } finally {
    for (const node of nodes) node.stop();
  }
});

test('P6 P9: a comparison whose connection is cut fails, is recorded with its cause, and the next one succeeds', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await createSubscriber(database, 1n, 0n);
  await deleteMarks(database);
  let cuts = 0;
  node.conduct = async ({ method }): Promise<CallBehavior> => {
    if (method !== 'ListInbounds' || cuts > 0) return 'serve';
    const rows = await database.query<{ cut: boolean }>`
      SELECT pg_terminate_backend(pid, 5000) AS cut FROM pg_locks
      WHERE locktype = 'advisory' AND objsubid = 2
        AND classid = (hashtext('perennial.reconcile')::bigint & 4294967295)::oid`;
    cuts += rows.length;
    return 'serve';
  };
  const problems: { message?: string; err?: Error }[] = [];
  const run = await runComparison(database, { problems });
  expect(cuts).toBe(1);
  expect(run).toMatchObject({ outcome: 'failed', detail: { kind: 'transient' } });
  expect(problems).toMatchObject([{ message: 'run failed', err: expect.any(Error) }]);
  expect(await readRunRecords(database)).toMatchObject([{ outcome: 'failed' }]);
  // The node has no fault.
  expect(await readNode(database, 'nl-1')).toMatchObject({ reconcile_failures: 0 });
  expect(await runComparison(database)).toMatchObject({
    outcome: 'success',
    detail: { missing: 1 },
  });
});

test('P6: a comparison of a dead replica is closed as lost by the next one', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  const gone = openReplica(database.url);
  await startRun(
    database.db,
    await reserveRunId(database.db),
    name,
    gone,
    await readClock(database.db),
  );
  await gone.close();
  await expect
    .poll(
      async () => {
        await runComparison(database, { requestedNode: 'nl-1' });
        return (await readRunRecords(database))[0]?.outcome;
      },
      { interval: 5 },
    )
    .toBe('lost');
});

test('P7: a failed node is counted, logged with its cause, written to its row, and due again', async () => {
  await using database = await createShopWithNodes({ 'nl-1': { api: '127.0.0.1:1' } });
  const problems: { err?: Error }[] = [];
  const run = await runComparison(database, { problems });
  expect(run).toMatchObject({ outcome: 'degraded', failed: 1n });
  expect(problems).toMatchObject([
    { worker: name, item: 'nl-1', code: 'node_unreachable', message: 'node failed' },
  ]);
  expect(problems[0]?.err?.cause).toBeInstanceOf(Error);
  expect(await readNode(database, 'nl-1')).toMatchObject({
    reconcile_failures: 1,
    reconcile_error: expect.stringMatching(/no connection/),
  });
  expect((await runComparison(database)).failed).toBe(1n);
});

test('P7: a failed call of a keeper is logged with its cause, written to its row, and made again', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await createSubscriber(database, 1n, 0n);
  let refused = false;
  node.conduct = ({ method }) => {
    if (method !== 'AlterInbound' || refused) return 'serve';
    refused = true;
    return 'garbage';
  };
  const problems: { code?: string; err?: Error }[] = [];
  const warn = (fields: object) => void problems.push(fields);
  await using _ = startTestKeepers(database, { log: { ...silentLog, warn } });
  await until(
    'an error is stored',
    async () => (await readNode(database, 'nl-1')).last_error ?? undefined,
  );
  await untilSynced(database);
  await expectSynced(database, node);
  const failed = problems.filter(({ code }) => code === 'node_garbage');
  expect(failed).toHaveLength(1);
  expect(failed[0]?.err).toBeInstanceOf(Error);
});

/** A call to the node without an answer. */
async function hangCall(node: TestNode, method: string): Promise<() => Promise<void>> {
  let asked = false;
  node.conduct = (call) => {
    if (call.method !== method) return 'serve';
    asked = true;
    return 'hang';
  };
  return () => until(`${method} under way`, () => asked).then(() => undefined);
}

test('P8: a comparison that has to stop releases its node at once, and records no failure', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  const underWay = await hangCall(node, 'ListInbounds');
  const stop = new AbortController();
  const run = runComparison(database, { signal: stop.signal });
  await underWay();
  stop.abort();
  expect(await run).toMatchObject({ failed: 0n, ends: [{ is: 'left' }] });
  expect(await readNode(database, 'nl-1')).toMatchObject({ reconcile_failures: 0 });
});

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'P8: a service whose node hangs ends within 10 s of %s, and its successor applies the pending marks',
  async (signal) => {
    using node = await startNode();
    await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
    await createSubscriber(database, 1n, 0n);
    const underWay = await hangCall(node, 'AlterInbound');
    await using service = startPerennial(['start'], { url: database.url });
    await underWay();
    const asked = performance.now();
    service.kill(signal);
    const { code } = await service.exit;
    expect({ code, soon: performance.now() - asked < 10_000 }).toEqual({
      code: signal === 'SIGTERM' ? 0 : null,
      soon: true,
    });
    node.conduct = () => 'serve';
    await using _ = startTestKeepers(database);
    await untilSynced(database);
    await expectSynced(database, node);
  },
  90_000,
);

test('P9: keepers whose connections are all cut continue by themselves', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await using separate = hookDatabase(database);
  const { db, pool } = separate;
  {
    await using keepers = startTestKeepers(database, { db });
    await createSubscriber(database, 1n, 0n);
    await untilSynced(database);
    const poolPids = (pool as unknown as { _clients: { processID: number }[] })._clients.map(
      ({ processID }) => processID,
    );
    const rows = await database.query<{ cut: boolean }>`
      SELECT pg_terminate_backend(pid, 5000) AS cut FROM pg_stat_activity
      WHERE datname = current_database()
        AND (application_name = 'perennial keepers' OR pid = ANY (${poolPids}))`;
    expect(rows.length).toBeGreaterThan(1);
    await revoke(createCaller(database), { telegramId: 1n, reason: 'test' });
    await createSubscriber(database, 2n, 0n);
    await untilSynced(database);
    await expectSynced(database, node);
    expect(keepers.listNodes()).toEqual(['nl-1']);
  }
});

test('P1: a seeding ends, and marks each untouched user once, while others come and leave', async () => {
  await using database = await createShopWithNodes(
    { 'nl-1': { api: '127.0.0.1:1' } },
    { now: '2026-11-01T00:00:00Z' },
  );
  const { db } = database;
  await createSubscribers(database, {
    count: 5_000,
    endsAt: '2026-12-01T00:00:00Z',
    balanceMinor: 0n,
  });
  const bootAt = instant(Date.parse('2026-11-01T00:00:00Z'));
  await sql`UPDATE perennial.node SET boot_at = '2026-11-01T00:00:00Z'`.execute(db);
  const runChunk = () =>
    inTransaction(db, async (tx) =>
      seedChunk(tx, { id: 'nl-1', epoch: 0n }, bootAt, await readClock(tx)),
    );
  let chunkCount = 0;
  for (let done = false; !done; chunkCount += 1) {
    done = (await runChunk())?.done ?? false;
    await createSubscriber(database, BigInt(chunkCount + 1), 0n);
    // Every thousandth leaves: some of them marked, some not.
    await sql`
      UPDATE perennial.credential SET retired_at = perennial.clock()
      WHERE subscription_id % 1000 = ${chunkCount} AND retired_at IS NULL`.execute(db);
    expect(chunkCount).toBeLessThan(10);
  }
  expect(chunkCount).toBe(4);
  const { rows } = await sql`
    SELECT count(*) FILTER (WHERE m.credential_id IS NULL)::int AS missed,
      count(m.credential_id)::int AS marks
    FROM perennial.credential c LEFT JOIN perennial.access_sync m ON m.credential_id = c.id
    WHERE c.retired_at IS NULL`.execute(db);
  const live = await sql<{ n: number }>`
    SELECT count(*)::int AS n FROM perennial.credential WHERE retired_at IS NULL`.execute(db);
  expect(rows).toEqual([{ missed: 0, marks: live.rows[0]?.n }]);
  const { seed_marked } = await readNode(database, 'nl-1');
  expect(Number(seed_marked)).toBeLessThanOrEqual(5_000 + chunkCount);
}, 60_000);

test('P2: each statement of a keeper reads a page of marks, a chunk of credentials, or a count', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } });
  await createSubscriber(database, 1n, 0n);
  const statements = new Set<string>();
  await using separate = hookDatabase(database, ({ sql: text }) => void statements.add(text));
  const { db } = separate;
  {
    await using _ = startTestKeepers(database, { db });
    await untilSynced(database);
    await node.restart();
    await expectSynced(database, node);
    await untilSynced(database);
  }
  const ofTables = [...statements].filter((text) => growingTables.test(text));
  expect(ofTables.length).toBeGreaterThan(2);
  expect(ofTables.filter((text) => !isBounded(text))).toEqual([]);
});
