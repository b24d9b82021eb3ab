import { expect, test } from 'vitest';
import type { CredentialId } from '../../../../src/kernel/ids.ts';
import { startProcess } from '../../../support/child-process.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { findViolations, readDatabaseSnapshot } from '../../../support/database-snapshot.ts';
import { acceptRows, refuseRows } from '../../../support/faults.ts';
import { createdAt, createMixedRenewals } from '../../../support/mixed-renewals.ts';
import {
  createShopWithNodes,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../../support/nodes.ts';
import {
  addCustomer,
  buyPlan,
  createShopDatabase,
  createSubscriber,
  createSubscribers,
  expectSubscription,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';

// The rows that an expiry writes, once or twice, by one process or by several.

const start = '2026-11-01T00:00:00Z';
const end = '2026-12-01T00:00:00Z';

/** The number of rows of each kind for the expired customers. */
async function readCounts({ query }: TestDatabase) {
  const rows = await query`
    SELECT count(*)::int AS ended, count(DISTINCT s.id)::int AS subscriptions,
      (SELECT count(*)::int FROM perennial.notification WHERE kind = 'expired') AS notified,
      (SELECT count(*)::int FROM perennial.credential WHERE retired_at IS NOT NULL) AS retired,
      (SELECT count(*)::int FROM perennial.access_sync) AS marks
    FROM perennial.event e JOIN perennial.subscription s ON e.subject = 'subscription:' || s.id
    WHERE e.action = 'expired' AND s.state = 'expired'`;
  return rows[0];
}

test('F4: runs at once in two processes end each subscription once, and notify once', async () => {
  await using database = await createShopDatabase({ now: end });
  // A tenth of 1,000 has ended, so the guard holds none of them.
  await createSubscribers(database, {
    count: 1_000,
    endsAt: '2026-11-30T23:59:51Z',
    balanceMinor: 148_99n,
    together: 10,
  });
  const entry = new URL('../../../support/worker-process.ts', import.meta.url);
  const args = [database.url, '3', '9', 'fast-expiry-cleanup'];
  await using one = startProcess(entry, args);
  await using two = startProcess(entry, args);
  let changed = 0;
  for (const child of [one, two]) await child.untilLine('ready', (line) => line === 'ready');
  for (const child of [one, two]) child.writeInput('go\n');
  for (const child of [one, two]) {
    const output = await child.untilLine('its result', (line) => line.startsWith('['));
    const runs = JSON.parse(output) as { changed: number; outcome: string }[];
    expect(runs.map(({ outcome }) => outcome)).toEqual(['success', 'success', 'success']);
    changed += runs.reduce((sum, run) => sum + run.changed, 0);
  }
  // Customers whom another run held are left to the next run.
  const rest = await runWorker(database, 'fast-expiry-cleanup');
  expect(changed + Number(rest.changed)).toBe(100);
  const all = { ended: 100, subscriptions: 100, notified: 100, retired: 100, marks: 100 };
  expect(await readCounts(database)).toEqual(all);
  expect(await findViolations(database.db)).toEqual([]);
}, 60_000);

test('F4: a run over an expired database changes nothing, not even a mark', async () => {
  await using database = await createDatabase({ now: createdAt });
  await createMixedRenewals(database);
  await database.setClock('2026-12-02T00:00:00Z');
  const readState = async () => ({
    snapshot: await readDatabaseSnapshot(database.db),
    marks: await database.query`SELECT * FROM perennial.access_sync ORDER BY version`,
  });
  const first = await runWorker(database, 'fast-expiry-cleanup');
  expect(first).toMatchObject({ outcome: 'success', detail: { ended: 2, renewed: 4 } });
  const once = await readState();
  const second = await runWorker(database, 'fast-expiry-cleanup');
  expect(second).toMatchObject({ outcome: 'success', examined: 0n });
  expect(await readState()).toEqual(once);
});

test('F4: a repeated removal on a node succeeds, and removes no other user', async () => {
  using node = await startNode();
  await using database = await createShopWithNodes({ 'nl-1': { api: node.api } }, { now: start });
  await createSubscriber(database, 1n, 0n);
  await database.setClock('2026-11-02T00:00:00Z');
  await createSubscriber(database, 2n, 0n);
  await using _ = startTestKeepers(database);
  await untilSynced(database);
  await runWorkerAt(database, end, 'fast-expiry-cleanup');
  await untilSynced(database);
  expect(node.listUserNames('vless')).toHaveLength(1);
  const rows = await database.query<{ id: CredentialId }>`
    INSERT INTO perennial.access_sync (node_id, credential_id, next_attempt_at, marked_at)
    SELECT 'nl-1', id, retired_at, retired_at FROM perennial.credential
    WHERE retired_at IS NOT NULL RETURNING credential_id AS id`;
  expect(rows).toHaveLength(1);
  await untilSynced(database);
  expect(node.listUserNames('vless')).toHaveLength(1);
  expect(node.listUserNames('vless')).not.toContain(`perennial-${rows[0]?.id}`);
});

test('F6: a run of many batches leaves one record with all of its changes', async () => {
  await using database = await createDatabase({ now: createdAt });
  await createMixedRenewals(database);
  await createSubscribers(database, {
    count: 30,
    endsAt: '2026-12-01T12:00:00Z',
    balanceMinor: 149_00n,
  });
  await database.setClock('2026-12-02T00:00:00Z');
  await database.query`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    SELECT 'auto-renewal', max(id)::text, 'test', '2027-01-01Z', ${end}::timestamptz
    FROM perennial.subscription`;
  const row = await runWorker(database, 'fast-expiry-cleanup', { batchMax: 4 });
  const counts = {
    worker: 'fast-expiry-cleanup',
    outcome: 'success',
    examined: 36n,
    changed: 35n,
    failed: 0n,
    detail: { ended: 2, renewed: 33, held: 0, in_quarantine: 1 },
  };
  expect(row).toMatchObject(counts);
  const rows = await database.query`
    SELECT * FROM perennial.worker_run WHERE worker = 'fast-expiry-cleanup' AND id >= ${row.id}`;
  expect(rows).toMatchObject([{ ...counts, finished_at: expect.any(Number) }]);
});

test('R11: of two that ended, with money for one, expiry renews the one that ended first', async () => {
  await using database = await createShopDatabase({ now: start });
  await addCustomer(database, 1n, { balanceMinor: 447_00n });
  const first = await buyPlan(database, 1n, { isNew: true });
  await database.setClock('2026-11-01T00:30:00Z');
  const second = await buyPlan(database, 1n, { isNew: true });
  await database.setClock('2026-12-01T01:00:00Z');
  const problems: object[] = [];
  await runWorker(database, 'fast-expiry-cleanup', { problems });
  expect(problems).toEqual([]);
  await expectSubscription(database, first, { state: 'active', charges: 2, balance: 0 });
  await expectSubscription(database, second, { state: 'expired', charges: 1 });
  expect(await findViolations(database.db)).toEqual([]);
});

test('R13: after 72 h of downtime a renewal in quarantine is decided by the run that would end it', async () => {
  await using database = await createShopDatabase({ now: start });
  const repaired = await createSubscriber(database, 1n, 149_00n);
  const bad = await createSubscriber(database, 2n, 149_00n);
  await database.query`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    SELECT 'auto-renewal', id::text, 'test', '2026-11-30T23:00:00Z', '2026-11-30T22:00:00Z'
    FROM perennial.subscription`;
  await refuseRows(database, 'INSERT ON perennial.period', 'NEW.customer_id = 2');
  await runWorkerAt(database, '2026-12-04T00:00:00Z', 'fast-expiry-cleanup');
  const renewed = { state: 'active', charges: 2, ends: '2026-12-31T00:00:00Z' };
  await expectSubscription(database, repaired, renewed);
  // This customer has enough balance, and the fault is ours: no worker ends the subscription.
  await expectSubscription(database, bad, { state: 'active', charges: 1 });
  await runWorker(database, 'auto-renewal');
  await runWorker(database, 'fast-expiry-cleanup');
  await expectSubscription(database, bad, { state: 'active', charges: 1 });
  await acceptRows(database);
  await runWorker(database, 'auto-renewal');
  await expectSubscription(database, bad, renewed);
});
