import { createBulkJob } from '../../src/bulk/job-store.ts';
import { blockCustomer } from '../../src/subscription/commands/block.ts';
import { changePlan } from '../../src/subscription/commands/change-plan.ts';
import { startTrial } from '../../src/subscription/commands/trial.ts';
import type { TestDatabase } from './database.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShop,
  createSubscriber,
  runWorkerAt,
} from './shop.ts';

// A small database in which one batch of auto-renewal has all outcomes: plain renewals, a VIP,
// another plan, a revival, a low balance, and two subscriptions with money for one.

export const createdAt = '2026-10-28T00:00:00Z';

/** Four hours before the ends of the running subscriptions, when they are due. */
export const dueAt = '2026-11-30T20:00:00Z';

/** The result of a run. */
export const dueOutcome = { examined: 7n, changed: 5n, failed: 0n, outcome: 'success' };

/** Fills an empty database whose clock is at `createdAt`, and moves the clock to `dueAt`. */
export async function createMixedRenewals(database: TestDatabase): Promise<void> {
  await createShop(database);
  await createSubscriber(database, 1n, 0n);
  await database.setClock('2026-11-01T00:00:00Z');
  await createSubscriber(database, 2n, 500_00n);
  await createSubscriber(database, 3n, 0n);
  await createSubscriber(database, 4n, 149_00n);
  await addBalance(database, 4n, 149_00n);
  await buyPlan(database, 4n, { isNew: true });
  await createSubscriber(database, 5n, 300_00n);
  const plus = { plan: 'plus', periodDays: 30, when: 'next' } as const;
  await changePlan(createCaller(database), { telegramId: 5n, ...plus });
  await createSubscriber(database, 6n, 105_00n, { vip: true });
  await addCustomer(database, 7n, { balanceMinor: 1_00n });
  await runWorkerAt(database, '2026-11-27T00:01:00Z', 'fast-expiry-cleanup');
  await database.setClock('2026-11-28T00:00:00Z');
  await addBalance(database, 1n, 149_00n);
  await database.setClock(dueAt);
}

/** The same database after all ends. Expiry renews the customers who can pay, and expires two. */
export async function createEndedSubscriptions(database: TestDatabase): Promise<void> {
  await createMixedRenewals(database);
  await database.setClock('2026-12-02T00:00:00Z');
}

/** A bulk grant of all customers with a paid subscription. One of them is blocked meanwhile. */
export async function createBulkGrant(database: TestDatabase): Promise<void> {
  await createMixedRenewals(database);
  const caller = createCaller(database);
  await createBulkJob(caller, { action: 'grant', days: 2 }, { kind: 'paid' });
  await blockCustomer(caller, { telegramId: 2n, reason: 'abuse' });
}

/** Three paid subscriptions and three trials, all with a due reminder. */
export const createSixReminderCustomers = (database: TestDatabase): Promise<void> =>
  createReminderCustomers(database, 3n);

/**
 * This many paid subscriptions, with the first Telegram ids, and as many trials, all with a due
 * reminder.
 */
export async function createReminderCustomers(
  database: TestDatabase,
  ofEach: bigint,
): Promise<void> {
  await createShop(database);
  for (let n = 1n; n <= ofEach; n += 1n) await createSubscriber(database, n, 0n);
  await database.setClock('2026-11-23T12:00:00Z');
  for (let telegramId = ofEach + 1n; telegramId <= 2n * ofEach; telegramId += 1n) {
    await addCustomer(database, telegramId);
    await startTrial(createCaller(database), { telegramId });
  }
  await database.setClock('2026-11-24T12:00:00Z');
}
