import { changePlan } from '../../src/subscription/commands/change-plan.ts';
import { startTrial } from '../../src/subscription/commands/trial.ts';
import type { TestDatabase } from './database.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopWithTrial,
  createSubscriber,
  runWorker,
} from './shop.ts';

// A small book in which one batch of auto-renewal does all that it can do: plain renewals, a VIP's,
// one with another plan, one revived, one short, and two of one customer with money for one.

export const createdAt = '2026-10-28T00:00:00Z';

/** When it is due: four hours before the end of those that run. */
export const dueAt = '2026-11-30T20:00:00Z';

/** What a run over it comes to. */
export const dueOutcome = { examined: 7n, changed: 5n, failed: 0n, outcome: 'success' };

/** Fills empty books whose clock stands at `beginsAt`, and moves it on to `dueAt`. */
export async function createMixedRenewals(database: TestDatabase): Promise<void> {
  await createShopWithTrial(database);
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
  await database.setClock('2026-11-27T00:01:00Z');
  await runWorker(database, 'fast-expiry-cleanup');
  await database.setClock('2026-11-28T00:00:00Z');
  await addBalance(database, 1n, 149_00n);
  await database.setClock(dueAt);
}

/** The same book, when all of them have ended: expiry renews those who can pay, and ends two. */
export async function createEndedSubscriptions(database: TestDatabase): Promise<void> {
  await createMixedRenewals(database);
  await database.setClock('2026-12-02T00:00:00Z');
}

/** Three whose month ends and three on a trial, all to be reminded. */
export const createSixReminderCustomers = (database: TestDatabase): Promise<void> =>
  createReminderCustomers(database, 3n);

/** So many whose month ends, by the first numbers, and as many on a trial, all to be reminded. */
export async function createReminderCustomers(
  database: TestDatabase,
  ofEach: bigint,
): Promise<void> {
  await createShopWithTrial(database);
  for (let n = 1n; n <= ofEach; n += 1n) await createSubscriber(database, n, 0n);
  await database.setClock('2026-11-23T12:00:00Z');
  for (let telegramId = ofEach + 1n; telegramId <= 2n * ofEach; telegramId += 1n) {
    await addCustomer(database, telegramId);
    await startTrial(createCaller(database), { telegramId });
  }
  await database.setClock('2026-11-24T12:00:00Z');
}
