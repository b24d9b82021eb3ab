import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { setPrice } from '../../../../src/catalog/apply.ts';
import { readClock } from '../../../../src/db/clock.ts';
import { inTransaction } from '../../../../src/db/connect.ts';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import { topUp } from '../../../../src/subscription/commands/top-up.ts';
import { runPriceReviews } from '../../../../src/subscription/store/price-reviews.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { importText } from '../../../support/import-export.ts';
import {
  addCustomer,
  setPrice as changePrice,
  createCaller,
  createShopWithTrial,
  runWorker,
} from '../../../support/shop.ts';

// The first charge of time that was imported or granted. The customer paid nothing before, so a
// notification states the amount. Each subscription is a month of basic for 149.00.

const start = '2026-11-24T10:00:00Z';

async function openImported(
  expiresAt: string,
  balance = '1000.00',
  days = 30,
): Promise<TestDatabase> {
  const database = await createDatabase({ now: start });
  await createShopWithTrial(database);
  await changePrice(database, 'basic', 1, 10_00n, 'RUB');
  const header = 'telegram_id,balance,currency,plan,period_days,expires_at,auto_renew,kind';
  const line = `1,${balance},RUB,basic,${days},${expiresAt},true,paid`;
  expect(await importText(database.url, `${header}\n${line}\n`)).toMatchObject({
    outcome: 'imported',
  });
  return database;
}

async function price({ db }: TestDatabase, amountMinor: bigint): Promise<void> {
  await inTransaction(db, async (tx) => {
    const now = await readClock(tx);
    const basic = { plan: 'basic', periodDays: 30, currency: 'RUB' };
    await setPrice(tx, { ...basic, amountMinor }, now, now);
  });
  await runPriceReviews(db);
}

/** Runs the reminders at this time, and sends what is due. */
async function notify(database: TestDatabase, time: string): Promise<void> {
  await database.setClock(time);
  await runWorker(database, 'expiry-reminders');
  await runWorker(database, 'deliver-notifications');
}

/** The amounts of the renewals until this time. */
async function renew(database: TestDatabase, time: string): Promise<number[]> {
  await database.setClock(time);
  await runWorker(database, 'auto-renewal');
  const { rows } = await sql<{ amount: bigint }>`
    SELECT amount_minor AS amount FROM perennial.period WHERE source = 'renewal'
    ORDER BY starts_at`.execute(database.db);
  return rows.map(({ amount }) => Number(amount) / 100);
}

async function sent({ db }: TestDatabase): Promise<string[]> {
  const { rows } = await sql<{ text: string }>`
    SELECT concat_ws(' ', kind, coalesce(params->>'new_price', params->>'price')) AS text
    FROM perennial.notification WHERE state = 'sent' AND kind NOT IN ('receipt', 'grant')
    ORDER BY id`.execute(db);
  return rows.map(({ text }) => text);
}

test('N1: the customer is notified of the first renewal of imported time 3 days ahead, also for short periods', async () => {
  await using database = await openImported('2026-12-24T10:00:00Z');
  await notify(database, '2026-12-21T10:05:00Z');
  expect(await sent(database)).toEqual(['renewal_ahead 149.00']);
  await price(database, 449_00n);
  expect(await renew(database, '2026-12-24T04:05:00Z')).toEqual([149]);
  await notify(database, '2027-01-20T10:05:00Z');
  expect(await sent(database)).toEqual(['renewal_ahead 149.00', 'price_change 449.00']);
});

test('N1: the notified amount limits the first renewal, also below the price at the import', async () => {
  await using database = await openImported('2026-12-24T10:00:00Z');
  await price(database, 99_00n);
  await notify(database, '2026-12-21T10:05:00Z');
  expect(await sent(database)).toEqual(['price_change 99.00']);
  await database.setClock('2026-12-23T18:00:00Z');
  await price(database, 149_00n);
  expect(await renew(database, '2026-12-24T04:05:00Z')).toEqual([99]);
});

test.each([
  ['the price at the import', '2026-12-23T18:00:00Z', 149],
  ['the lower price of a late notification', '2026-11-24T11:00:00Z', 99],
])('N1: without a notification in time the first renewal takes %s', async (_, at, taken) => {
  await using database = await openImported('2026-12-24T10:00:00Z');
  await database.setClock(at);
  await price(database, at.startsWith('2026-12') ? 449_00n : 99_00n);
  await notify(database, '2026-12-23T18:05:00Z');
  await database.setClock('2026-12-23T19:00:00Z');
  await price(database, 449_00n);
  expect(await renew(database, '2026-12-24T04:05:00Z')).toEqual([taken]);
});

test.each([
  [30, '149.00'],
  [1, '10.00'],
])(
  'N1: an import of %d days in their last 3 days is followed by a notification at once',
  async (days, amount) => {
    await using database = await openImported('2026-11-25T10:00:00Z', '1000.00', days);
    await notify(database, '2026-11-24T10:05:00Z');
    expect(await sent(database)).toEqual([`renewal_ahead ${amount}`]);
  },
);

test('N1: a payment that lets the first renewal succeed is followed by its notification at once', async () => {
  await using database = await openImported('2026-12-24T10:00:00Z', '0');
  await notify(database, '2026-12-21T10:05:00Z');
  expect(await sent(database)).toEqual(['ends_3d']);
  await database.setClock('2026-12-22T10:00:00Z');
  await topUp(createCaller(database), { telegramId: 1n, amountMinor: 500_00n });
  await notify(database, '2026-12-22T12:10:00Z');
  expect(await sent(database)).toEqual(['ends_3d', 'renewal_ahead 149.00']);
});

test('N1: a grant that ends within 3 days is followed by the notification of its renewal at once', async () => {
  await using database = await openImported('2026-11-24T12:00:00Z');
  await grant(createCaller(database), { telegramId: 1n, days: 2 });
  await notify(database, '2026-11-24T10:05:00Z');
  expect(await sent(database)).toEqual(['renewal_ahead 149.00']);
});

test('N1: switching auto-renewal on states the amount and the time of the next renewal', async () => {
  await using database = await createDatabase({ now: start });
  await createShopWithTrial(database);
  await addCustomer(database, 1n, { balanceMinor: 1_000_00n });
  await grant(createCaller(database), { telegramId: 1n, days: 30, newPlan: 'basic' });
  await price(database, 199_00n);
  const on = await setAutoRenew(createCaller(database), { telegramId: 1n, on: true });
  expect(on).toMatchObject({ renewal_amount: '199.00', renewal_at: '2026-12-24T04:00:00.000Z' });
  await price(database, 449_00n);
  await notify(database, '2026-12-23T18:00:00Z');
  expect(await renew(database, '2026-12-24T04:05:00Z')).toEqual([199]);
});
