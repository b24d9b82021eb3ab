import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { readCustomerLinks } from '../../../src/catalog/links.ts';
import type { SubscriptionId } from '../../../src/kernel/ids.ts';
import { grant } from '../../../src/subscription/commands/grant.ts';
import { purchase } from '../../../src/subscription/commands/purchase.ts';
import { topUp } from '../../../src/subscription/commands/top-up.ts';
import { readCustomerView } from '../../../src/subscription/queries/customer-view.ts';
import { quotePurchase } from '../../../src/subscription/queries/quote.ts';
import type { TestDatabase } from '../../support/database.ts';
import { findViolations } from '../../support/database-snapshot.ts';
import {
  createCaller,
  createReseller,
  createShopDatabase,
  createSubscribers,
  firstSubscriber,
  runWorker,
} from '../../support/shop.ts';

// The longest time for which a batch blocks its process. It is measured in processor time of this
// thread, because a busy machine stops the wall clock's progress for other reasons.

/** The longest time in which no other task ran while `work` was active. */
async function measureLongestBlockMs(work: () => Promise<unknown>): Promise<number> {
  const spentUs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return user + system;
  };
  let [before, longestUs] = [spentUs(), 0];
  const sample = () => {
    const now = spentUs();
    longestUs = Math.max(longestUs, now - before);
    before = now;
  };
  const timer = setInterval(sample, 1);
  await work();
  clearInterval(timer);
  sample();
  return longestUs / 1_000;
}

const batchMax = 1_000;
const count = 3 * batchMax;

const makeAllDue = sql`UPDATE perennial.subscription SET remind_at = perennial.clock()`;
const makeTrials = sql`
  UPDATE perennial.subscription SET remind_at = perennial.clock(), kind = 'trial',
    auto_renew = false, started_at = expires_at - interval '3 days'`;

/** The first message of a process compiles statements, and loads the formats of dates. */
async function remindAndSendOne(database: TestDatabase): Promise<void> {
  await database.query`
    UPDATE perennial.subscription SET remind_at = perennial.clock()
    WHERE id = (SELECT min(id) FROM perennial.subscription)`;
  await runWorker(database, 'expiry-reminders');
  expect(await runWorker(database, 'deliver-notifications')).toMatchObject({ changed: 1n });
}

test.each([
  ['auto-renewal', '2026-11-30T20:00:00Z', 149_00n, undefined],
  ['fast-expiry-cleanup', '2026-12-02T00:00:00Z', 0n, undefined],
  ['trial-notifications', '2026-11-30T18:00:00Z', 0n, makeTrials],
  ['expiry-reminders', '2026-11-30T12:00:00Z', 0n, makeAllDue],
])(
  'P4: batches of 1,000 of %s block their process for less than 100 ms',
  async (worker, now, balanceMinor, isDue) => {
    await using database = await createShopDatabase({ now });
    await createSubscribers(database, { count, endsAt: '2026-12-01T00:00:00Z', balanceMinor });
    await isDue?.execute(database.db);
    const longestMs = await measureLongestBlockMs(async () => {
      const run = await runWorker(database, worker, { batchMax, confirmed: true });
      expect(run).toMatchObject({ outcome: 'success', changed: BigInt(count) });
    });
    expect(longestMs).toBeLessThan(100);
    expect(await findViolations(database.db)).toEqual([]);
  },
  120_000,
);

test('P4: a courier, which sends one by one, blocks its process for less than 100 ms', async () => {
  await using database = await createShopDatabase({ now: '2026-11-30T12:00:00Z' });
  await createSubscribers(database, {
    count: 151,
    endsAt: '2026-12-01T00:00:00Z',
    balanceMinor: 0n,
  });
  await remindAndSendOne(database);
  await makeAllDue.execute(database.db);
  await runWorker(database, 'expiry-reminders');
  const longestMs = await measureLongestBlockMs(async () => {
    const run = await runWorker(database, 'deliver-notifications');
    expect(run).toMatchObject({ outcome: 'success', changed: 150n });
  });
  expect(longestMs).toBeLessThan(100);
}, 120_000);

test('P4: reminders of a customer with 10,000 subscriptions block the process for less than 100 ms', async () => {
  await using database = await createReseller(
    '2026-11-01T12:30:00Z',
    10_000,
    '2026-11-03T12:00:00Z',
  );
  await remindAndSendOne(database);
  await database.query`
    UPDATE perennial.subscription SET remind_at = perennial.clock() WHERE id % 40 = 0`;
  const longestMs = await measureLongestBlockMs(async () => {
    const reminded = await runWorker(database, 'expiry-reminders');
    expect(reminded).toMatchObject({ outcome: 'success', changed: 250n });
    const sent = await runWorker(database, 'deliver-notifications');
    expect(sent).toMatchObject({ outcome: 'success', changed: 250n });
  });
  expect(longestMs).toBeLessThan(100);
}, 120_000);

test('P4: commands and views of a customer with 10,000 subscriptions block the process for less than 100 ms', async () => {
  await using database = await createReseller(
    '2026-11-01T12:30:00Z',
    10_000,
    '2026-11-03T12:00:00Z',
  );
  const { db } = database;
  const caller = createCaller(database);
  const subscriptionId = 5_000n as SubscriptionId;
  const telegramId = firstSubscriber;
  const order = { telegramId, plan: 'basic', periodDays: 30 };
  const work = async () => {
    await topUp(caller, { telegramId, amountMinor: 1_000_00n });
    await quotePurchase(db, { ...order, subscriptionId });
    await purchase(caller, { ...order, subscriptionId });
    await grant(caller, { telegramId, days: 3, subscriptionId });
    await readCustomerView(db, telegramId, 10);
    await readCustomerLinks(db, telegramId);
  };
  // Statements are compiled once, at the start of a process.
  await work();
  const longestMs = await measureLongestBlockMs(work);
  expect(longestMs).toBeLessThan(100);
}, 120_000);

test('P4: the measurement detects work that never yields', async () => {
  const untilUs = process.threadCpuUsage().user + 150_000;
  const longestMs = await measureLongestBlockMs(async () => {
    while (process.threadCpuUsage().user < untilUs);
  });
  expect(longestMs).toBeGreaterThanOrEqual(140);
});
