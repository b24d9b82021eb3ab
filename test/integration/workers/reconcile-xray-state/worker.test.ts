import { expect, test } from 'vitest';
import { purchase } from '../../../../src/subscription/commands/purchase.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import type { ConnectNode } from '../../../../src/workers/reconcile-xray-state/compare-node.ts';
import { connectNode } from '../../../../src/xray/grpc/client.ts';
import {
  deleteMarks,
  readCredential,
  readMarks,
  runComparison,
} from '../../../support/comparison.ts';
import { createShopWithNodes, readNode, startNode } from '../../../support/nodes.ts';
import {
  createCaller,
  createEndingSubscribers,
  createShopDatabase,
  createSubscriber,
  runWorkerAt,
} from '../../../support/shop.ts';
import { createFakeNode, readLiveUsers } from './fake-node.ts';

const start = '2026-11-01T00:00:00Z';

test('X1: every live credential of 100,000 is read, also while others buy', async () => {
  await using database = await createShopDatabase({ now: start });
  await createEndingSubscribers(database, 100_000, '2026-11-20T00:00:00Z');
  await deleteMarks(database);
  let buyer = 0n;
  const connect = createFakeNode(
    () => readLiveUsers(database),
    async (step) => {
      if (step !== 'slice' || buyer >= 20n) return;
      if (buyer === 0n) await database.setClock('2026-11-01T00:00:01Z');
      buyer += 1n;
      await createSubscriber(database, buyer, 0n);
    },
  );
  const run = await runComparison(database, { connect });
  const none = { missing: 0, unwanted: 0, different: 0, unknown: 0, conflict: 0 };
  expect(run).toMatchObject({ outcome: 'success', changed: 0n, detail: none });
  // Each user who is not there is found.
  const few = createFakeNode(async () =>
    (await readLiveUsers(database)).filter((_, at) => at % 1_000 !== 0),
  );
  await deleteMarks(database);
  const found = await runComparison(database, { connect: few, requestedNode: 'nl-1' });
  expect(found.detail).toMatchObject({ ...none, missing: 101, marked: 101 });
}, 120_000);

test.each(['inbounds', 'list', 'answer', 'slice', 'end'])(
  'X2: a customer who buys or pays late at the step "%s", and is on the node at once, is not removed',
  async (at) => {
    await using database = await createShopDatabase({ now: start });
    const late = await createSubscriber(database, 1n, 0n);
    await runWorkerAt(database, '2026-12-02T00:00:00Z', 'fast-expiry-cleanup');
    const old = await readCredential(database, late);
    await createSubscriber(database, 2n, 0n);
    await deleteMarks(database);
    await database.setClock('2026-12-02T00:00:01Z');
    const call = createCaller(database);
    let done = false;
    const connect = createFakeNode(
      () => readLiveUsers(database),
      async (step) => {
        if (step !== at || done) return;
        done = true;
        await database.setClock('2026-12-02T00:00:02Z');
        await topUp(call, { telegramId: 1n, amountMinor: 149_00n });
        await purchase(call, {
          telegramId: 1n,
          plan: 'basic',
          periodDays: 30,
          subscriptionId: late,
        });
        await createSubscriber(database, 3n, 0n);
        await deleteMarks(database); // their keeper was fast
      },
    );
    const run = await runComparison(database, { connect });
    expect(done).toBe(true);
    expect(await readCredential(database, late)).toBe(old);
    expect(run.detail).toMatchObject({ unwanted: 0, unknown: 0, different: 0, conflict: 0 });
    expect((await readMarks(database)).filter(({ urgent }) => urgent)).toEqual([]);
  },
);

test('X4: after three failures no replica calls the node for 10 minutes; then one of all replicas does', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  let calls = 0;
  const connect: ConnectNode = (address) => {
    calls += 1;
    return connectNode(address);
  };
  for (let run = 1; run <= 3; run += 1) {
    expect(await runComparison(database, { connect })).toMatchObject({
      outcome: 'degraded',
      failed: 1n,
      detail: { errors: { 'nl-1': expect.stringMatching(/no connection/) } },
    });
  }
  expect(calls).toBe(3);
  await database.setClock('2026-11-01T00:09:59.999Z');
  expect(await runComparison(database, { connect })).toMatchObject({
    outcome: 'success',
    examined: 0n,
  });
  expect(calls).toBe(3);
  await database.setClock('2026-11-01T00:10:00Z');
  await Promise.all([1, 2, 3, 4].map(() => runComparison(database, { connect })));
  expect(calls).toBe(4);
  expect(await readNode(database, 'nl-1')).toMatchObject({
    reconcile_failures: 4,
    reconcile_error: expect.stringMatching(/no connection/),
  });
  // An answer closes the breaker.
  await database.setClock('2026-11-01T00:20:00Z');
  await runComparison(database, { connect: createFakeNode(() => readLiveUsers(database)) });
  expect(await readNode(database, 'nl-1')).toMatchObject({
    reconcile_failures: 0,
    reconcile_open_until: null,
    reconcile_error: null,
  });
  await database.setClock('2026-11-01T00:29:59Z');
  await runComparison(database, { connect });
  expect(calls).toBe(4);
});

test('one node that hangs and one that sends garbage fail clearly, the others are compared', async () => {
  using healthyNode = await startNode();
  using hangingNode = await startNode();
  using corruptNode = await startNode();
  await using database = await createShopWithNodes({
    a: { api: hangingNode.api },
    b: { api: corruptNode.api },
    c: { api: healthyNode.api },
    d: { api: healthyNode.api.replace('127.0.0.1', 'localhost'), inbounds: ['gone'] },
  });
  await createSubscriber(database, 1n, 0n);
  await deleteMarks(database);
  hangingNode.conduct = () => 'hang';
  corruptNode.conduct = () => 'garbage';
  const run = await runComparison(database);
  expect(run).toMatchObject({ outcome: 'degraded', failed: 3n, detail: { nodes: 1, missing: 1 } });
  expect(run.detail.errors).toMatchObject({
    a: expect.stringMatching(/no answer within 5 s/),
    b: expect.stringMatching(/can't be read/),
    d: expect.stringMatching(/no inbound "gone"/),
  });
  expect(await readMarks(database, 'c')).toHaveLength(1);
  expect(await readMarks(database, 'a')).toEqual([]);
}, 60_000);

test('P5: no transaction is open during a call to a node', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  await deleteMarks(database);
  const seen: string[] = [];
  const connect = createFakeNode(
    () => readLiveUsers(database),
    async (step) => {
      if (step !== 'inbounds' && step !== 'list' && step !== 'answer') return;
      const rows = await database.query<{ state: string }>`
        SELECT state FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND xact_start IS NOT NULL`;
      seen.push(...rows.map(({ state }) => `${step}: ${state}`));
    },
  );
  expect(await runComparison(database, { connect })).toMatchObject({ outcome: 'success' });
  expect(seen).toEqual([]);
});

test('P6: a run is recorded with its findings, and one without due nodes leaves no record', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  await deleteMarks(database);
  await runComparison(database, { connect: createFakeNode(async () => []) });
  await runComparison(database, { connect: createFakeNode(async () => []) });
  const rows = await database.query`
    SELECT outcome, examined, changed, failed, detail FROM perennial.worker_run
    WHERE worker = 'reconcile-xray-state'`;
  expect(rows).toMatchObject([
    { outcome: 'success', examined: 1n, changed: 1n, failed: 0n, detail: { missing: 1, nodes: 1 } },
  ]);
});
