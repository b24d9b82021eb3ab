import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { readClock } from '../../src/db/clock.ts';
import { inTransaction, openBooks, openPool } from '../../src/db/connect.ts';
import { instant } from '../../src/kernel/instant.ts';
import { revoke } from '../../src/subscription/granting.ts';
import { seedStretch } from '../../src/workers/keep-node/node-store.ts';
import { openReplica } from '../../src/workers/replica.ts';
import { reserveRunId, startRun } from '../../src/workers/run-record.ts';
import type { Conduct } from '../../src/xray/embedded/node.ts';
import { callOf, crowd, payer } from '../a-book.ts';
import type { Books } from '../books.ts';
import { hookPool } from '../hooked-pool.ts';
import { compared, unmark } from '../nodes/compared.ts';
import { type ANode, aNode, equal, keep, nodeRow, quiet, settled, shopOn } from '../nodes/kept.ts';
import { perennial } from '../service/process.ts';
import { until } from '../service/until.ts';
import { growing, isBounded } from './bounded.ts';

// What holds of every worker, for those that have to do with nodes: comparisons, which run, and
// keepers, which go on.

const name = 'reconcile-xray-state';

const records = async ({ db }: Books) =>
  (
    await sql<{ outcome: string; examined: bigint; failed: bigint; detail: object }>`
      SELECT outcome, examined, failed, detail FROM perennial.worker_run
      WHERE worker = ${name} ORDER BY id`.execute(db)
  ).rows;

test('P3: a comparison whose budget is spent leaves nodes to the next run, which compares those', async () => {
  const nodes = await Promise.all(Array.from({ length: 6 }, () => aNode()));
  try {
    const books = await shopOn(
      Object.fromEntries(nodes.map(({ api }, at) => [`n-${at}`, { api }])),
      { now: '2026-11-01T00:00:00Z' },
    );
    await using _ = books;
    let lists = 0;
    for (const node of nodes) {
      node.conduct = ({ method }) => {
        if (method === 'ListInbounds') lists += 1;
        return 'serve';
      };
    }
    const elapsedMs = () => (lists > 0 ? 1_000 : 0);
    const first = await compared(books, { budgetMs: 1_000, elapsedMs });
    expect(first).toMatchObject({ outcome: 'partial', detail: { nodes: 4, work_left: true } });
    const rest = new Set(nodes.map((_, at) => `n-${at}`));
    for (const { node } of first.ends) rest.delete(node);
    const second = await compared(books);
    expect(second).toMatchObject({ outcome: 'success' });
    expect(new Set(second.ends.map(({ node }) => node))).toEqual(rest);
  } finally {
    for (const node of nodes) node.stop();
  }
});

test('P6 P9: a comparison whose connection is cut fails, is recorded with its cause, and the next one succeeds', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  await payer(books, 1n, 0n);
  await unmark(books);
  let cuts = 0;
  node.conduct = async ({ method }): Promise<Conduct> => {
    if (method !== 'ListInbounds' || cuts > 0) return 'serve';
    const { rows } = await sql<{ cut: boolean }>`
      SELECT pg_terminate_backend(pid, 5000) AS cut FROM pg_locks
      WHERE locktype = 'advisory' AND objsubid = 2
        AND classid = (hashtext('perennial.reconcile')::bigint & 4294967295)::oid`.execute(
      books.db,
    );
    cuts += rows.length;
    return 'serve';
  };
  const troubles: { message?: string; err?: Error }[] = [];
  const run = await compared(books, { troubles });
  expect(cuts).toBe(1);
  expect(run).toMatchObject({ outcome: 'failed', detail: { kind: 'transient' } });
  expect(troubles).toMatchObject([{ message: 'run failed', err: expect.any(Error) }]);
  expect(await records(books)).toMatchObject([{ outcome: 'failed' }]);
  // It is no fault of the node's.
  expect(await nodeRow(books, 'nl-1')).toMatchObject({ reconcile_failures: 0 });
  expect(await compared(books)).toMatchObject({ outcome: 'success', detail: { missing: 1 } });
});

test('P6: a comparison of a replica that is gone is closed as lost by the next one', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  const gone = openReplica(books.url);
  await startRun(books.db, await reserveRunId(books.db), name, gone, await readClock(books.db));
  await gone.close();
  await expect
    .poll(
      async () => {
        await compared(books, { asked: 'nl-1' });
        return (await records(books))[0]?.outcome;
      },
      { interval: 5 },
    )
    .toBe('lost');
});

test('P7: a node that fails is counted, logged with its cause, said of the node, and due again', async () => {
  await using books = await shopOn({ 'nl-1': { api: '127.0.0.1:1' } });
  const troubles: { err?: Error }[] = [];
  const run = await compared(books, { troubles });
  expect(run).toMatchObject({ outcome: 'degraded', failed: 1n });
  expect(troubles).toMatchObject([
    { worker: name, item: 'nl-1', code: 'node_unreachable', message: 'node failed' },
  ]);
  expect(troubles[0]?.err?.cause).toBeInstanceOf(Error);
  expect(await nodeRow(books, 'nl-1')).toMatchObject({
    reconcile_failures: 1,
    reconcile_error: expect.stringMatching(/no connection/),
  });
  expect((await compared(books)).failed).toBe(1n);
});

test('P7: a call of a keeper that fails is logged with its cause, said of the node, and made again', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  await payer(books, 1n, 0n);
  let refused = false;
  node.conduct = ({ method }) => {
    if (method !== 'AlterInbound' || refused) return 'serve';
    refused = true;
    return 'garbage';
  };
  const troubles: { code?: string; err?: Error }[] = [];
  const warn = (fields: object) => void troubles.push(fields);
  await using _ = keep(books, { log: { ...quiet, warn } });
  await until('it is said', async () => (await nodeRow(books, 'nl-1')).last_error ?? undefined);
  await settled(books);
  await equal(books, node);
  const failed = troubles.filter(({ code }) => code === 'node_garbage');
  expect(failed).toHaveLength(1);
  expect(failed[0]?.err).toBeInstanceOf(Error);
});

/** A call to the node that nobody answers. */
async function hangsAt(node: ANode, method: string): Promise<() => Promise<void>> {
  let asked = false;
  node.conduct = (call) => {
    if (call.method !== method) return 'serve';
    asked = true;
    return 'hang';
  };
  return () => until(`${method} under way`, () => (asked ? true : undefined)).then(() => undefined);
}

test('P8: a comparison that is told to stop gives its node up at once, and holds nothing against it', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  const underWay = await hangsAt(node, 'ListInbounds');
  const stop = new AbortController();
  const run = compared(books, { signal: stop.signal });
  await underWay();
  stop.abort();
  expect(await run).toMatchObject({ failed: 0n, ends: [{ end: 'left' }] });
  expect(await nodeRow(books, 'nl-1')).toMatchObject({ reconcile_failures: 0 });
});

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'P8: a service whose node hangs ends within 10 s of %s, and what it owed the node is for its successor',
  async (signal) => {
    using node = await aNode();
    await using books = await shopOn({ 'nl-1': { api: node.api } });
    await payer(books, 1n, 0n);
    const underWay = await hangsAt(node, 'AlterInbound');
    await using service = perennial(['start'], { url: books.url });
    await underWay();
    const asked = performance.now();
    service.kill(signal);
    const { code } = await service.exit;
    expect({ code, soon: performance.now() - asked < 10_000 }).toEqual({
      code: signal === 'SIGTERM' ? 0 : null,
      soon: true,
    });
    node.conduct = () => 'serve';
    await using _ = keep(books);
    await settled(books);
    await equal(books, node);
  },
  90_000,
);

test('P9: keepers whose connections are all cut go on by themselves', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  const pool = openPool(books.url);
  const db = openBooks(pool);
  {
    await using keepers = keep(books, { db });
    await payer(books, 1n, 0n);
    await settled(books);
    const theirs = (pool as unknown as { _clients: { processID: number }[] })._clients.map(
      ({ processID }) => processID,
    );
    const { rows } = await sql<{ cut: boolean }>`
      SELECT pg_terminate_backend(pid, 5000) AS cut FROM pg_stat_activity
      WHERE datname = current_database()
        AND (application_name = 'perennial keepers' OR pid = ANY (${theirs}))`.execute(books.db);
    expect(rows.length).toBeGreaterThan(1);
    await revoke(callOf(books), { telegramId: 1n, reason: 'test' });
    await payer(books, 2n, 0n);
    await settled(books);
    await equal(books, node);
    expect(keepers.kept()).toEqual(['nl-1']);
  }
  await db.destroy();
});

test('P1: a filling ends, and marks each once whom nobody touches, while others come and go', async () => {
  await using books = await shopOn(
    { 'nl-1': { api: '127.0.0.1:1' } },
    { now: '2026-11-01T00:00:00Z' },
  );
  const { db } = books;
  await crowd(books, { count: 5_000, endsAt: '2026-12-01T00:00:00Z', balanceMinor: 0n });
  const bootAt = instant(Date.parse('2026-11-01T00:00:00Z'));
  await sql`UPDATE perennial.node SET boot_at = '2026-11-01T00:00:00Z'`.execute(db);
  const stretch = () =>
    inTransaction(db, async (tx) =>
      seedStretch(tx, { node: 'nl-1', epoch: 0n }, bootAt, await readClock(tx)),
    );
  let stretches = 0;
  for (let done = false; !done; stretches += 1) {
    done = (await stretch())?.done ?? false;
    await payer(books, BigInt(stretches + 1), 0n);
    // Every thousandth goes: some that were marked, some that were not.
    await sql`
      UPDATE perennial.credential SET retired_at = perennial.clock()
      WHERE subscription_id % 1000 = ${stretches} AND retired_at IS NULL`.execute(db);
    expect(stretches).toBeLessThan(10);
  }
  expect(stretches).toBe(4);
  const { rows } = await sql`
    SELECT count(*) FILTER (WHERE m.credential_id IS NULL)::int AS missed,
      count(m.credential_id)::int AS marks
    FROM perennial.credential c LEFT JOIN perennial.access_sync m ON m.credential_id = c.id
    WHERE c.retired_at IS NULL`.execute(db);
  const live = await sql<{ n: number }>`
    SELECT count(*)::int AS n FROM perennial.credential WHERE retired_at IS NULL`.execute(db);
  expect(rows).toEqual([{ missed: 0, marks: live.rows[0]?.n }]);
  const { seed_marked } = await nodeRow(books, 'nl-1');
  expect(Number(seed_marked)).toBeLessThanOrEqual(5_000 + stretches);
}, 60_000);

test('P2: each statement of a keeper reads a page of marks, a stretch of credentials, or a count', async () => {
  using node = await aNode();
  await using books = await shopOn({ 'nl-1': { api: node.api } });
  await payer(books, 1n, 0n);
  const statements = new Set<string>();
  const pool = hookPool(openPool(books.url), ({ sql: text }) => void statements.add(text));
  const db = openBooks(pool);
  {
    await using _ = keep(books, { db });
    await settled(books);
    await node.restart();
    await equal(books, node);
    await settled(books);
  }
  await db.destroy();
  const ofTables = [...statements].filter((text) => growing.test(text));
  expect(ofTables.length).toBeGreaterThan(2);
  expect(ofTables.filter((text) => !isBounded(text))).toEqual([]);
});
