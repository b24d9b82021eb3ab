import { setPrice } from '../../src/catalog/apply.ts';
import { readClock } from '../../src/db/clock.ts';
import { inTransaction } from '../../src/db/connect.ts';
import { runPriceReviews } from '../../src/subscription/store/price-reviews.ts';
import type { TestDatabase } from './database.ts';
import { runWorker, runWorkerAt } from './shop.ts';

// Changes of prices, the notifications about them, and the renewals that follow.

/** Sets a price from now on, or with null withdraws it, and reviews all subscriptions. */
export async function changePrice(
  { db }: TestDatabase,
  amountMinor: bigint | null,
  plan = 'basic',
  periodDays = 30,
): Promise<void> {
  await inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    await setPrice(tx, { plan, periodDays, currency: 'RUB', amountMinor }, now, now);
  });
  await runPriceReviews(db);
}

/** Runs the reminders at each of these times, and sends what is due. */
export async function sendRemindersAt(database: TestDatabase, ...times: string[]): Promise<void> {
  for (const time of times) {
    await runWorkerAt(database, time, 'expiry-reminders');
    await runWorker(database, 'deliver-notifications');
  }
}

/** Runs auto-renewal at each of these times. @returns the amounts of all renewals so far */
export async function runRenewalsAt(database: TestDatabase, ...times: string[]): Promise<number[]> {
  for (const time of times) await runWorkerAt(database, time, 'auto-renewal');
  const rows = await database.query<{ amount: bigint }>`
    SELECT amount_minor AS amount FROM perennial.period WHERE source = 'renewal'
    ORDER BY starts_at`;
  return rows.map(({ amount }) => Number(amount) / 100);
}

/** Kinds and prices of the notifications that were sent, without receipts and grants. */
export async function readSentPrices({ query }: TestDatabase): Promise<string[]> {
  const rows = await query<{ text: string }>`
    SELECT concat_ws(' ', kind, coalesce(params->>'new_price', params->>'price'),
      'next ' || (params->>'next_price')) AS text
    FROM perennial.notification
    WHERE state = 'sent' AND kind NOT IN ('receipt', 'grant') ORDER BY id`;
  return rows.map(({ text }) => text);
}
