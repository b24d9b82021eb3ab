import { expect, test } from 'vitest';
import { setAutoRenew } from '../../../../src/subscription/commands/auto-renew.ts';
import { grant } from '../../../../src/subscription/commands/grant.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { importText } from '../../../support/import-export.ts';
import {
  changePrice,
  readSentPrices,
  runRenewalsAt,
  sendRemindersAt,
} from '../../../support/prices.ts';
import {
  addBalance,
  addCustomer,
  createCaller,
  createShopDatabase,
} from '../../../support/shop.ts';

// The first charge of time that was imported or granted. The customer paid nothing before, so a
// notification states the amount. Each subscription is a month of basic for 149.00.

const start = '2026-11-24T10:00:00Z';

async function openImported(
  expiresAt: string,
  balance = '1000.00',
  days = 30,
): Promise<TestDatabase> {
  const database = await createShopDatabase({ now: start });
  await changePrice(database, 10_00n, 'basic', 1);
  const header = 'telegram_id,balance,currency,plan,period_days,expires_at,auto_renew,kind';
  const line = `1,${balance},RUB,basic,${days},${expiresAt},true,paid`;
  expect(await importText(database.url, `${header}\n${line}\n`)).toMatchObject({
    outcome: 'imported',
  });
  return database;
}

test('N1: the customer is notified of the first renewal of imported time 3 days ahead, also for short periods', async () => {
  await using database = await openImported('2026-12-24T10:00:00Z');
  await sendRemindersAt(database, '2026-12-21T10:05:00Z');
  expect(await readSentPrices(database)).toEqual(['renewal_ahead 149.00']);
  await changePrice(database, 449_00n);
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([149]);
  await sendRemindersAt(database, '2027-01-20T10:05:00Z');
  expect(await readSentPrices(database)).toEqual(['renewal_ahead 149.00', 'price_change 449.00']);
});

test('N1: the notified amount limits the first renewal, also below the price at the import', async () => {
  await using database = await openImported('2026-12-24T10:00:00Z');
  await changePrice(database, 99_00n);
  await sendRemindersAt(database, '2026-12-21T10:05:00Z');
  expect(await readSentPrices(database)).toEqual(['price_change 99.00']);
  await database.setClock('2026-12-23T18:00:00Z');
  await changePrice(database, 149_00n);
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([99]);
});

test.each([
  ['the price at the import', '2026-12-23T18:00:00Z', 149],
  ['the lower price of a late notification', '2026-11-24T11:00:00Z', 99],
])('N1: without a notification in time the first renewal takes %s', async (_, at, taken) => {
  await using database = await openImported('2026-12-24T10:00:00Z');
  await database.setClock(at);
  await changePrice(database, at.startsWith('2026-12') ? 449_00n : 99_00n);
  await sendRemindersAt(database, '2026-12-23T18:05:00Z');
  await database.setClock('2026-12-23T19:00:00Z');
  await changePrice(database, 449_00n);
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([taken]);
});

test.each([
  [30, '149.00'],
  [1, '10.00'],
])(
  'N1: an import of %d days in their last 3 days is followed by a notification at once',
  async (days, amount) => {
    await using database = await openImported('2026-11-25T10:00:00Z', '1000.00', days);
    await sendRemindersAt(database, '2026-11-24T10:05:00Z');
    expect(await readSentPrices(database)).toEqual([`renewal_ahead ${amount}`]);
  },
);

test('N1: a payment that lets the first renewal succeed is followed by its notification at once', async () => {
  await using database = await openImported('2026-12-24T10:00:00Z', '0');
  await sendRemindersAt(database, '2026-12-21T10:05:00Z');
  expect(await readSentPrices(database)).toEqual(['ends_3d']);
  await database.setClock('2026-12-22T10:00:00Z');
  await addBalance(database, 1n, 500_00n);
  await sendRemindersAt(database, '2026-12-22T12:10:00Z');
  expect(await readSentPrices(database)).toEqual(['ends_3d', 'renewal_ahead 149.00']);
});

test('N1: a grant that ends within 3 days is followed by the notification of its renewal at once', async () => {
  await using database = await openImported('2026-11-24T12:00:00Z');
  await grant(createCaller(database), { telegramId: 1n, days: 2 });
  await sendRemindersAt(database, '2026-11-24T10:05:00Z');
  expect(await readSentPrices(database)).toEqual(['renewal_ahead 149.00']);
});

test('N1: switching auto-renewal on states the amount and the time of the next renewal', async () => {
  await using database = await createShopDatabase({ now: start });
  await addCustomer(database, 1n, { balanceMinor: 1_000_00n });
  await grant(createCaller(database), { telegramId: 1n, days: 30, newPlan: 'basic' });
  await changePrice(database, 199_00n);
  const on = await setAutoRenew(createCaller(database), { telegramId: 1n, on: true });
  expect(on).toMatchObject({ renewal_amount: '199.00', renewal_at: '2026-12-24T04:00:00.000Z' });
  await changePrice(database, 449_00n);
  await sendRemindersAt(database, '2026-12-23T18:00:00Z');
  expect(await runRenewalsAt(database, '2026-12-24T04:05:00Z')).toEqual([199]);
});
