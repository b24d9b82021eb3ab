import { expect, onTestFinished, test, vi } from 'vitest';
import { explainCustomer } from '../../../src/explanation/customer.ts';
import { setAutoRenew } from '../../../src/subscription/commands/auto-renew.ts';
import { blockCustomer } from '../../../src/subscription/commands/block.ts';
import { revoke } from '../../../src/subscription/commands/revoke.ts';
import { until } from '../../../testbed/until.ts';
import { readAllTables, runLine } from '../../support/command-line.ts';
import type { TestDatabase } from '../../support/database.ts';
import {
  createShopWithNodes,
  readNode,
  startNode,
  startTestKeepers,
  untilSynced,
} from '../../support/nodes.ts';
import {
  createCaller,
  createShopDatabase,
  createSubscriber,
  runWorker,
  runWorkerAt,
} from '../../support/shop.ts';

const start = '2026-11-01T00:00:00Z';

const explain = ({ db }: TestDatabase) => explainCustomer(db, 1n);

test('`why` names the node that is down with its time, and the nodes that have the user', async () => {
  using up = await startNode();
  const down = await startNode();
  await using database = await createShopWithNodes({
    'nl-1': { api: up.api },
    'nl-2': { api: down.api },
  });
  await createSubscriber(database, 1n, 149_00n);
  await using _keepers = startTestKeepers(database);
  await untilSynced(database);
  const before = await explain(database);
  expect(before.subscriptions[0]?.access).toMatchObject({
    reason: { code: 'entitled', params: { nodes: 2, confirmed: 2 } },
    nodes: [
      { node: 'nl-1', entitled: true, marked: false, confirmed: true, down_since: null },
      { node: 'nl-2', entitled: true, marked: false, confirmed: true, down_since: null },
    ],
  });

  down.stop();
  await until(
    'nl-2 is down',
    async () => (await readNode(database, 'nl-2')).down_since ?? undefined,
  );
  const after = await explain(database);
  const [nl1, nl2] = after.subscriptions[0]?.access.nodes ?? [];
  expect(nl1).toMatchObject({ confirmed: true, down_since: null, reason: { code: 'confirmed' } });
  expect(nl2).toMatchObject({ entitled: true, confirmed: true, reason: { code: 'node_down' } });
  expect(nl2?.reason.sentence).toMatch(
    /^the node has been down since .+; the node had the user before$/,
  );
  expect(after.subscriptions[0]?.access.reason.params).toEqual({ nodes: 2, confirmed: 1 });
});

test('a revocation that the node has not confirmed is pending', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  const [bought] = (await explain(database)).subscriptions;
  expect(bought?.access.nodes).toMatchObject([
    { entitled: true, marked: true, confirmed: false, reason: { code: 'not_reached' } },
  ]);
  await revoke(createCaller(database), { telegramId: 1n, reason: 'test' });
  const [revoked] = (await explain(database)).subscriptions;
  expect(revoked).toMatchObject({
    next_charge: { at: null, reason: { code: 'revoked' } },
    access: {
      reason: { code: 'revoked' },
      nodes: [{ entitled: false, marked: true, reason: { code: 'removal_pending' } }],
    },
  });
});

test('a block is the reason of the charge and of the access', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 149_00n);
  await blockCustomer(createCaller(database), { telegramId: 1n, reason: 'stolen card' });
  const { blocked_reason, subscriptions } = await explain(database);
  expect(blocked_reason).toBe('stolen card');
  expect(subscriptions).toMatchObject([
    {
      next_charge: { at: null, reason: { code: 'blocked' } },
      access: {
        reason: { code: 'blocked', params: { reason: 'stolen card' } },
        nodes: [{ entitled: false, reason: { code: 'removal_pending' } }],
      },
      overdue_end: null,
    },
  ]);
});

test('a subscription that is active after its end states what its end waits for', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  const readCode = async () => (await explain(database)).subscriptions[0]?.overdue_end?.code;
  await setAutoRenew(createCaller(database), { telegramId: 1n, on: false });
  await database.setClock('2026-11-30T23:59:59.999Z');
  expect(await readCode()).toBe(undefined);
  await database.setClock('2026-12-01T00:00:00Z');
  expect(await readCode()).toBe('end_due');
  await database.query`
    INSERT INTO perennial.worker_run (worker, replica, replica_number, started_at, finished_at,
      outcome, detail)
    VALUES ('fast-expiry-cleanup', 'test', 1, perennial.clock(), perennial.clock(), 'success',
      '{"ended": 5}')`;
  await database.setClock('2026-12-01T00:01:00Z');
  expect((await runWorker(database, 'fast-expiry-cleanup')).detail).toMatchObject({ held: 1 });
  expect(await readCode()).toBe('end_held');
  await database.query`
    INSERT INTO perennial.quarantine (worker, item, reason, retry_at, first_seen_at)
    SELECT 'fast-expiry-cleanup', id::text, 'pg_23514: a check', perennial.clock(), perennial.clock()
    FROM perennial.subscription`;
  expect(await readCode()).toBe('end_quarantined');
  await database.query`UPDATE perennial.quarantine SET worker = 'auto-renewal'`;
  expect(await readCode()).toBe('renewal_quarantined');
});

test('a notification states what it waits for, and is then the last one that was sent', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 0n);
  const bought = (await explain(database)).notices;
  expect(bought).toMatchObject({
    waiting: [{ kind: 'receipt', state: 'pending', reason: { code: 'no_courier' } }],
    last_sent: null,
  });
  await runWorker(database, 'deliver-notifications');
  expect((await explain(database)).notices).toMatchObject({
    waiting: [],
    last_sent: { kind: 'receipt', channel: 'log' },
  });
  await runWorkerAt(database, '2026-11-30T18:00:00Z', 'auto-renewal');
  await database.query`UPDATE perennial.customer SET reachable = false WHERE telegram_id = 1`;
  await database.query`
    UPDATE perennial.notification SET reason = 'unreachable: blocked', sending_since = perennial.clock(),
      next_attempt_at = perennial.clock() + interval '7 days'
    WHERE kind = 'low_balance'`;
  expect((await explain(database)).notices.waiting).toMatchObject([
    { kind: 'low_balance', reason: { code: 'waits_for_customer' } },
  ]);
  await database.query`
    UPDATE perennial.customer SET reachable = true, balance_minor = 14900
    WHERE telegram_id = 1`;
  expect((await explain(database)).notices.waiting).toMatchObject([
    { reason: { code: 'outdated', params: { reason: 'will_be_renewed' } } },
  ]);
});

test('`why` prints the explanation for a person and as JSON, and changes nothing', async () => {
  await using database = await createShopDatabase({ now: start });
  await createSubscriber(database, 1n, 100_00n);
  vi.stubEnv('DATABASE_URL', database.url);
  onTestFinished(() => void vi.unstubAllEnvs());
  const before = await readAllTables(database.url);
  const { code, out, err } = await runLine('why 1');
  expect([code, err]).toEqual([0, '']);
  expect(out).toContain('next charge: 149.00 RUB from 2026-11-30 18:00Z; 49.00 RUB are missing');
  expect(out).toContain('nl-1: the user waits for the first probe of the node');
  expect(JSON.parse((await runLine('why 1 --json')).out)).toEqual(await explain(database));
  expect(await readAllTables(database.url)).toEqual(before);
  expect((await runLine('why 9')).err).toContain('"9" is not a customer');
});
