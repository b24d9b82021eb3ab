import { expect, test } from 'vitest';
import { setPrice } from '../../../../src/catalog/apply.ts';
import { readClock } from '../../../../src/db/clock.ts';
import { inTransaction } from '../../../../src/db/connect.ts';
import { runPriceReviews } from '../../../../src/subscription/store/price-reviews.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { holdLocks } from '../../../support/locks.ts';
import { createShopDatabase, createSubscribers, runWorker } from '../../../support/shop.ts';

// A change of a price makes reminders of many customers due, in chunks.

const count = 20_000;
const now = '2026-11-29T12:00:00Z';

/** Customers whose month of basic ends within the next three days; the price changes now. */
async function createRepriced(customers = count): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: '2026-11-01T00:00:00Z' });
  await createSubscribers(database, {
    count: customers,
    endsAt: '2026-12-01T00:00:00Z',
    balanceMinor: 149_00n,
  });
  await database.setClock(now);
  await database.query`UPDATE perennial.subscription SET remind_at = NULL`;
  await database.query`
    INSERT INTO perennial.known_price (customer_id, subscription_id, plan, period_days,
      amount_minor, source, known_at)
    SELECT customer_id, id, plan, period_days, 14900, 'terms', started_at
    FROM perennial.subscription`;
  await inTransaction(database.db, async (tx) => {
    const at = await readClock(tx);
    const priced = { plan: 'basic', periodDays: 30, currency: 'RUB', amountMinor: 199_00n };
    await setPrice(tx, priced, at, at);
  });
  return database;
}

async function readReviewState({ query }: TestDatabase) {
  const rows = await query<{ due: number; jobs: number; missed: number }>`
    SELECT (SELECT count(*)::int FROM perennial.subscription WHERE remind_at = ${now}) AS due,
      (SELECT count(*)::int FROM perennial.price_review) AS jobs,
      (SELECT coalesce(sum(cardinality(missed)), 0)::int FROM perennial.price_review) AS missed`;
  return rows[0];
}

test('N1: a price change reviews 20,000 customers in chunks of 2,000, and shows its progress', async () => {
  await using database = await createRepriced();
  const progress: number[] = [];
  const due = await runPriceReviews(database.db, { onReviewed: (done) => progress.push(done) });
  expect(due).toBe(count);
  expect(await readReviewState(database)).toEqual({ due: count, jobs: 0, missed: 0 });
  const steps = progress.map((done, at) => done - (progress[at - 1] ?? 0));
  expect(Math.max(...steps)).toBe(2_000);
  expect(steps.filter((step) => step > 0)).toHaveLength(10);
}, 60_000);

test('N1: an interrupted review continues at its position in the next run of reminders', async () => {
  await using database = await createRepriced();
  let chunks = 0;
  await runPriceReviews(database.db, { isOver: () => chunks++ === 3 });
  expect(await readReviewState(database)).toEqual({ due: 6_000, jobs: 1, missed: 0 });
  // A run whose budget is spent leaves the rest too.
  const over = await runWorker(database, 'expiry-reminders', {
    budgetMs: 1_000,
    elapsedMs: () => 1_000,
  });
  expect(over.outcome).toBe('partial');
  expect(await readReviewState(database)).toEqual({ due: 6_000, jobs: 1, missed: 0 });
  const run = await runWorker(database, 'expiry-reminders');
  expect(run).toMatchObject({ outcome: 'success', examined: BigInt(count) });
  expect(await readReviewState(database)).toMatchObject({ jobs: 0 });
  const rows = await database.query<{ notified: number }>`
    SELECT count(*)::int AS notified FROM perennial.notification WHERE kind = 'price_change'`;
  expect(rows[0]?.notified).toBe(count);
}, 120_000);

test('N1: locked customers delay no other customer, and are reviewed when they are free', async () => {
  await using database = await createRepriced(3_000);
  const half = 'SELECT FROM perennial.customer WHERE telegram_id % 2 = 0 FOR NO KEY UPDATE';
  const { release } = await holdLocks(database, half);
  expect(await runPriceReviews(database.db)).toBe(1_500);
  expect(await readReviewState(database)).toEqual({ due: 1_500, jobs: 1, missed: 1_500 });
  // The held customers come in parts, and the job ends.
  expect(await runPriceReviews(database.db)).toBe(0);
  expect(await readReviewState(database)).toEqual({ due: 1_500, jobs: 1, missed: 1_500 });
  await release();
  expect(await runPriceReviews(database.db)).toBe(1_500);
  expect(await readReviewState(database)).toEqual({ due: 3_000, jobs: 0, missed: 0 });
}, 60_000);
