import { expect, test } from 'vitest';
import type { SubscriptionId } from '../../../src/kernel/ids.ts';
import { hourMs, type Instant, later } from '../../../src/kernel/instant.ts';
import { setAutoRenew } from '../../../src/subscription/commands/auto-renew.ts';
import { grant } from '../../../src/subscription/commands/grant.ts';
import { refund } from '../../../src/subscription/commands/refund.ts';
import { startTrial } from '../../../src/subscription/commands/trial.ts';
import type { TestDatabase } from '../../support/database.ts';
import { hookPool } from '../../support/hooked-pool.ts';
import {
  addBalance,
  addCustomer,
  buyPlan,
  createCaller,
  createShopDatabase,
  createSubscriber,
  parseTime,
  runWorker,
  runWorkerAt,
  setPrice,
  type WorkerRunOptions,
} from '../../support/shop.ts';

// The two workers that remind, on a real database. The tables of their rules define the times.

const begin = parseTime('2026-11-24T09:00:00Z');
const hour = (hours: number): Instant => later(begin, hours * hourMs);
const days = (count: number): Instant => hour(24 * count);

async function createTrial(database: TestDatabase, telegramId: bigint): Promise<SubscriptionId> {
  await addCustomer(database, telegramId);
  const { subscription_id } = await startTrial(createCaller(database), { telegramId });
  return BigInt(subscription_id) as SubscriptionId;
}

/** A run at a time. @returns the kinds so far, without receipts */
async function runAndReadKinds(
  database: TestDatabase,
  worker: string,
  now: Instant,
  options: WorkerRunOptions = {},
) {
  const run = await runWorkerAt(database, now, worker, options);
  expect(run.outcome).toBe('success');
  const rows = await database.query<{ kind: string }>`
    SELECT kind FROM perennial.notification WHERE kind <> 'receipt' ORDER BY id`;
  return rows.map(({ kind }) => kind);
}

const runTrials = (database: TestDatabase, now: Instant, options?: WorkerRunOptions) =>
  runAndReadKinds(database, 'trial-notifications', now, options);
const runEndings = (database: TestDatabase, now: Instant, options?: WorkerRunOptions) =>
  runAndReadKinds(database, 'expiry-reminders', now, options);

async function readRemindAt({ db }: TestDatabase, id: SubscriptionId): Promise<number | null> {
  const row = await db
    .selectFrom('perennial.subscription')
    .select('remind_at')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return row.remind_at === null ? null : (row.remind_at - begin) / hourMs;
}

test('T4: a customer on a trial gets the three reminders, each once, for any number of checks', async () => {
  await using database = await createShopDatabase({ now: begin });
  const id = await createTrial(database, 1n);
  expect(await runTrials(database, hour(5))).toEqual([]);
  expect(await runTrials(database, hour(6))).toEqual(['trial_6h']);
  expect(await readRemindAt(database, id)).toBe(48);
  expect(await runTrials(database, hour(7))).toEqual(['trial_6h']);
  // A reminder is not repeated, also if the time of the next check is set back.
  await database.query`UPDATE perennial.subscription SET remind_at = ${'2026-11-24T09:00:00Z'}`;
  expect(await runTrials(database, hour(8))).toEqual(['trial_6h']);
  expect(await runTrials(database, hour(48))).toEqual(['trial_6h', 'trial_48h']);
  // In the night, because the morning is past the end.
  expect(await runTrials(database, hour(66))).toEqual(['trial_6h', 'trial_48h', 'trial_ending']);
  expect(await runTrials(database, hour(71.9))).toHaveLength(3);
  expect(await readRemindAt(database, id)).toBeNull();
});

test('T4: a reminder that is due in the night of the customer waits for the morning there', async () => {
  await using database = await createShopDatabase({ now: begin });
  const id = await createTrial(database, 1n);
  await database.query`UPDATE perennial.customer SET time_zone = 'Asia/Tokyo'`;
  expect(await runTrials(database, hour(6))).toEqual([]);
  expect(await readRemindAt(database, id)).toBe(15);
  expect(await runTrials(database, hour(14.99))).toEqual([]);
  expect(await runTrials(database, hour(15))).toEqual(['trial_6h']);
});

test('T1: a purchase between the finding and the locking of a batch counts: no reminder asks for it again', async () => {
  let meanwhile: (() => Promise<unknown>) | undefined;
  await using database = await createShopDatabase({
    now: begin,
    wrapPool: (pool) =>
      hookPool(pool, async ({ sql: text, when }) => {
        if (when !== 'before' || !text.includes('SKIP LOCKED')) return;
        const happens = meanwhile;
        meanwhile = undefined;
        await happens?.();
      }),
  });
  const converted = await createTrial(database, 1n);
  const other = await createTrial(database, 2n);
  for (const customer of [1n, 2n]) await addBalance(database, customer, 149_00n);
  meanwhile = async () => {
    await buyPlan(database, 1n);
    await buyPlan(database, 2n, { isNew: true });
  };
  expect(await runTrials(database, hour(48))).toEqual([]);
  expect(meanwhile).toBeUndefined();
  expect(await readRemindAt(database, converted)).toBe(24 * (33 - 3));
  expect(await readRemindAt(database, other)).toBe(66);
  expect(await runTrials(database, hour(67))).toEqual([]);
});

test('a subscription that will not be renewed has three reminders of its end, one that will has none', async () => {
  await using database = await createShopDatabase({ now: begin });
  await createSubscriber(database, 1n, 0n);
  await createSubscriber(database, 2n, 149_00n);
  const off = await createSubscriber(database, 3n, 149_00n);
  await setAutoRenew(createCaller(database), { telegramId: 3n, on: false });
  expect(await runEndings(database, days(26.9))).toEqual([]);
  expect(await runEndings(database, days(27))).toEqual(['ends_3d', 'ends_3d']);
  expect(await runEndings(database, days(28))).toHaveLength(2);
  expect(await runEndings(database, days(29))).toHaveLength(4);
  expect(await readRemindAt(database, off)).toBe(24 * 30 - 3);
  // The customer with enough balance is renewed, and checked again before the next end.
  await runWorkerAt(database, hour(24 * 30 - 5), 'auto-renewal');
  const kinds = await runEndings(database, hour(24 * 30 - 3));
  expect(kinds.filter((kind) => kind !== 'low_balance')).toEqual([
    ...['ends_3d', 'ends_3d', 'ends_24h', 'ends_24h', 'ends_3h', 'ends_3h'],
  ]);
  const rows = await database.query<{ customer: bigint; missing: string | null }>`
    SELECT customer_id AS customer, params->>'missing' AS missing FROM perennial.notification
    WHERE kind = 'ends_3h' ORDER BY customer_id`;
  expect(rows).toEqual([
    { customer: 1n, missing: '149.00' },
    { customer: 3n, missing: null },
  ]);
});

test('money that another subscription will take before does not count', async () => {
  await using database = await createShopDatabase({ now: begin });
  await createSubscriber(database, 1n, 149_00n);
  await addBalance(database, 1n, 149_00n);
  await database.setClock(hour(1));
  await buyPlan(database, 1n, { isNew: true });
  // 149.00 for two of 149.00: the one that ends first is renewed.
  expect(await runEndings(database, days(27))).toEqual([]);
  expect(await runEndings(database, hour(24 * 27 + 1))).toEqual(['ends_3d']);
  await addBalance(database, 1n, 149_00n);
  expect(await runEndings(database, hour(24 * 29 + 1))).toEqual(['ends_3d']);
});

test('a price that will differ is notified to renewing customers, from three days ahead, once per price', async () => {
  await using database = await createShopDatabase({ now: begin });
  await createSubscriber(database, 1n, 500_00n);
  // Has enough for the old price only, which counts until the message was sent.
  await createSubscriber(database, 2n, 149_00n);
  await setPrice(database, 'basic', 30, 159_00n, 'RUB', '2026-12-20T00:00:00Z');
  // After the renewal is due, so this one comes too late.
  await setPrice(database, 'basic', 30, 300_00n, 'RUB', '2026-12-24T04:00:00Z');
  expect(await runEndings(database, days(27))).toEqual(['price_change', 'price_change']);
  expect(await runEndings(database, days(29))).toEqual(['price_change', 'price_change']);
  const rows = await database.query`
    SELECT DISTINCT params FROM perennial.notification
    WHERE kind = 'price_change'`;
  expect(rows).toEqual([
    {
      params: {
        plan: 'basic',
        period_days: 30,
        currency: 'RUB',
        price: '149.00',
        new_price: '159.00',
        from: '2026-12-24T09:00:00.000Z',
        next_price: null,
        expires_at: '2026-12-24T09:00:00.000Z',
      },
    },
  ]);
});

test('each command that sets an end sets when its reminders begin', async () => {
  await using database = await createShopDatabase({ now: begin });
  const call = createCaller(database);
  const id = await createSubscriber(database, 1n, 149_00n);
  const inDays = async () => Number(await readRemindAt(database, id)) / 24;
  expect(await inDays()).toBe(27);
  await buyPlan(database, 1n);
  expect(await inDays()).toBe(57);
  const rows = await database.query<{ id: bigint }>`SELECT max(id) AS id FROM perennial.period`;
  await refund(call, { telegramId: 1n, periodId: rows[0]?.id as never, part: 'whole' });
  expect(await inDays()).toBe(27);
  await grant(call, { telegramId: 1n, days: 5 });
  expect(await inDays()).toBe(32);
  // A reminder that was due before is not sent: a day before the end, set by more than a minute.
  await database.setClock(hour(24 * 35 - 0.5));
  await grant(call, { telegramId: 1n, days: 1 });
  expect(await readRemindAt(database, id)).toBe(24 * 35);
  const gift = await grant(call, { telegramId: 1n, days: 1, newPlan: 'plus' });
  expect(await readRemindAt(database, BigInt(gift.subscription_id) as SubscriptionId)).toBe(
    24 * 36 - 0.5 - 3,
  );
  await setAutoRenew(call, { telegramId: 1n, subscriptionId: id, on: true });
  await runWorkerAt(database, hour(24 * 36 - 5), 'auto-renewal');
  expect(await inDays()).toBe(63);
});

test('a clock that jumped ahead and back has used up no reminder of subscriptions past their end', async () => {
  await using database = await createShopDatabase({ now: begin });
  await createTrial(database, 1n);
  expect(await runTrials(database, days(300))).toEqual([]);
  expect(await runTrials(database, hour(6))).toEqual(['trial_6h']);
});

test('T4: runs at once enqueue each reminder once', async () => {
  await using database = await createShopDatabase({ now: begin });
  for (let customer = 1n; customer <= 40n; customer += 1n) await createTrial(database, customer);
  await database.setClock(hour(6));
  await Promise.all(
    Array.from({ length: 4 }, () => runWorker(database, 'trial-notifications', { batchMax: 7 })),
  );
  await runWorker(database, 'trial-notifications');
  const rows = await database.query`
    SELECT count(*)::int AS notifications, count(DISTINCT subscription_id)::int AS subscriptions
    FROM perennial.notification WHERE kind = 'trial_6h'`;
  expect(rows).toEqual([{ notifications: 40, subscriptions: 40 }]);
});
