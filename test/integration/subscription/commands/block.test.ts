import { beforeEach, expect, test } from 'vitest';
import { runAudit } from '../../../../src/audit/audit.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { blockCustomer, unblockCustomer } from '../../../../src/subscription/commands/block.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { reissue } from '../../../../src/subscription/commands/reissue.ts';
import { startTrial } from '../../../../src/subscription/commands/trial.ts';
import { quotePurchase } from '../../../../src/subscription/queries/quote.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { expectFault } from '../../../support/faults.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  expectSubscription,
  runAutoRenewal,
  runWorker,
  runWorkerAt,
} from '../../../support/shop.ts';

// Blocked customers: no purchase, no trial, no renewal, no reminders, no access.

let database: TestDatabase;

beforeEach(async () => {
  database = await createShopDatabase({ now: '2026-11-24T09:00:00Z' });
  return () => database.close();
});

const block = (telegramId = 7n) =>
  blockCustomer(createCaller(database), { telegramId, reason: 'abuse' });
const unblock = (telegramId = 7n) =>
  unblockCustomer(createCaller(database), { telegramId, reason: 'appeal' });

async function readEvents() {
  const rows = await database.query<{ action: string; actor: string; reason: string }>`
    SELECT action, actor, detail->>'reason' AS reason FROM perennial.event
    WHERE action IN ('blocked', 'unblocked') ORDER BY id`;
  return rows;
}

async function expectAuditOk(): Promise<void> {
  const report = await runAudit(database.db);
  expect(report.checks.filter(({ violations }) => violations > 0n)).toEqual([]);
}

test('D1: a block ends the access at once, and unblocking restores the same credential', async () => {
  const id = await createSubscriber(database, 7n, 300_00n);
  const readCredentials = async () =>
    await database.query<{ id: string; live: boolean; marked: boolean }>`
        SELECT k.id::text AS id, k.retired_at IS NULL AS live,
          EXISTS (SELECT FROM perennial.access_sync m WHERE m.credential_id = k.id) AS marked
        FROM perennial.credential k WHERE k.subscription_id = ${id}`;
  const [before] = await readCredentials();
  expect(await block()).toMatchObject({ subscriptions: 1, blocked_reason: 'abuse' });
  expect(await readCredentials()).toEqual([{ ...before, live: false, marked: true }]);
  await expectSubscription(database, id, { state: 'active', live: 0 });
  await expectAuditOk();
  await database.setClock('2026-12-23T09:00:00Z');
  expect(await unblock()).toMatchObject({ subscriptions: 1, blocked_at: null });
  expect(await readCredentials()).toEqual([{ ...before, live: true, marked: true }]);
  expect(await readEvents()).toEqual([
    { action: 'blocked', actor: 'test', reason: 'abuse' },
    { action: 'unblocked', actor: 'test', reason: 'appeal' },
  ]);
  await expectAuditOk();
});

test('D1: a blocked customer has no purchase, trial, grant, reissue or auto-renewal, but pays in', async () => {
  const id = await createSubscriber(database, 7n, 500_00n);
  await addCustomer(database, 8n);
  await block();
  await block(8n);
  const caller = createCaller(database);
  const refused = [
    buyPlan(database, 7n),
    buyPlan(database, 7n, { plan: 'plus', isNew: true }),
    startTrial(caller, { telegramId: 8n }),
    grant(caller, { telegramId: 7n, days: 3 }),
    reissue(caller, { telegramId: 7n }),
    setAutoRenew(caller, { telegramId: 7n, on: true }),
    quotePurchase(database.db, { telegramId: 7n, plan: 'basic', periodDays: 30 }),
  ];
  const outcomes = await Promise.allSettled(refused);
  expect(outcomes.map((one) => (one.status === 'rejected' ? one.reason.code : 'done'))).toEqual(
    refused.map(() => 'blocked'),
  );
  await addBalance(database, 7n, 1_00n);
  await expectSubscription(database, id, { balance: 501_00, charges: 1 });
});

test('D1: a blocked customer is not renewed, expires without a charge, and is not revived', async () => {
  const id = await createSubscriber(database, 7n, 500_00n);
  await block();
  expect(await runWorkerAt(database, '2026-12-24T05:00:00Z', 'auto-renewal')).toMatchObject({
    outcome: 'success',
    changed: 0n,
  });
  await expectSubscription(database, id, { nextTry: 'never', charges: 1 });
  expect(await runAutoRenewal(database)).toMatchObject({ examined: 0n });
  await runWorkerAt(database, '2026-12-24T09:00:01Z', 'fast-expiry-cleanup');
  await expectSubscription(database, id, { state: 'expired', charges: 1 });
  await addBalance(database, 7n, 1_00n);
  await runAutoRenewal(database);
  await expectSubscription(database, id, { state: 'expired', live: 0 });
  await unblock();
  await runAutoRenewal(database);
  await expectSubscription(database, id, { state: 'expired', charges: 1 });
  await expectAuditOk();
});

test('D1: unblocking before the end makes a renewal due at once', async () => {
  const id = await createSubscriber(database, 7n, 500_00n);
  await block();
  await runWorkerAt(database, '2026-12-24T05:00:00Z', 'auto-renewal');
  await unblock();
  await runAutoRenewal(database);
  await expectSubscription(database, id, { charges: 2, live: 1 });
});

test('D1: a blocked customer gets no reminder, and gets it after the block', async () => {
  await createSubscriber(database, 7n, 0n);
  const count = async () =>
    (
      await database.query<{ count: number }>`
        SELECT count(*)::int AS count FROM perennial.notification
        WHERE kind LIKE 'ends_%'`
    )[0]?.count;
  await block();
  await runWorkerAt(database, '2026-12-21T10:00:00Z', 'expiry-reminders');
  expect(await count()).toBe(0);
  await unblock();
  await runWorker(database, 'expiry-reminders');
  expect(await count()).toBe(1);
});

test('a second block and a reason of two lines are refused', async () => {
  await addCustomer(database, 7n);
  await expectFault(unblock(), 'not_blocked');
  await expectFault(
    blockCustomer(createCaller(database), { telegramId: 7n, reason: 'a\nb' }),
    'bad_reason',
  );
  await block();
  await expectFault(block(), 'is_blocked');
});
