import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { SubscriptionId } from '../../src/kernel/ids.ts';
import { setAutoRenew } from '../../src/subscription/granting.ts';
import { startTrial } from '../../src/subscription/trial.ts';
import { buys, callOf, joins, payer, runOf, setsPrice } from '../a-book.ts';
import { grants, shop, standOf, start } from './sold-terms.ts';

// Renewals pay one period ahead at most, and a purchase keeps what the customer set.

test.each([
  ['1d', 1, 99n],
  ['60d', 30, 149_00n],
])(
  'B5: with a window of %s in the database a renewal charges at most one period ahead',
  async (window, days, price) => {
    const books = await shop();
    await setsPrice(books, 'mini', 1, 99n, 'RUB');
    const value = { window_ms: Number.parseInt(window, 10) * 86_400_000, retry_ms: 3_600_000 };
    const rule = JSON.stringify({ ...value, revive_ms: 604_800_000 });
    await sql`INSERT INTO perennial.setting VALUES ('renewal', ${rule}::jsonb)`.execute(books.db);
    await joins(books, 1n, { balanceMinor: 5_000_00n });
    await buys(books, 1n, { plan: days === 1 ? 'mini' : 'basic', periodDays: days });
    const renewals = async () => {
      for (let n = 0; n < 3; n += 1) await runOf(books, 'auto-renewal');
      const { periods } = await standOf(books);
      return periods.filter(({ source }) => source === 'renewal').map(({ amount }) => amount);
    };
    expect(await renewals()).toEqual([]);
    const half = Date.parse(start) + (days * 86_400_000) / 2;
    await books.setClock(new Date(half).toISOString());
    const one = `${price / 100n}.${String(price % 100n).padStart(2, '0')}`;
    expect(await renewals()).toEqual([one]);
  },
);

test('B5: with a long window a renewal waits for the start of a period that is paid already', async () => {
  const books = await shop();
  const rule = JSON.stringify({ window_ms: 15 * 86_400_000, retry_ms: 1, revive_ms: 1 });
  await sql`INSERT INTO perennial.setting VALUES ('renewal', ${rule}::jsonb)`.execute(books.db);
  await payer(books, 1n, 500_00n);
  await grants(books, 1);
  await books.setClock('2026-11-30T00:00:00Z');
  expect(await runOf(books, 'auto-renewal')).toMatchObject({ changed: 0n });
  await books.setClock('2026-12-01T00:00:00Z');
  expect(await runOf(books, 'auto-renewal')).toMatchObject({ changed: 1n });
});

test.each([true, false])(
  'B6: a purchase that extends keeps the switch of the customer, whatever it names (%s)',
  async (named) => {
    const books = await shop();
    await payer(books, 1n, 500_00n);
    await setAutoRenew(callOf(books), { telegramId: 1n, on: !named });
    await buys(books, 1n, { autoRenew: named });
    expect(await standOf(books)).toMatchObject({ auto_renew: !named });
  },
);

test('B6: a purchase that names no subscription asks which one of a trial and a paid one', async () => {
  const books = await shop();
  await joins(books, 1n, { balanceMinor: 1_000_00n });
  await startTrial(callOf(books), { telegramId: 1n });
  const paid: SubscriptionId = await buys(books, 1n, { plan: 'plus', isNew: true });
  await expect(buys(books, 1n, { plan: 'plus' })).rejects.toMatchObject({
    code: 'which_subscription',
    message: expect.stringContaining(`(trial basic, active), ${paid} (paid plus, active)`),
  });
  expect(await buys(books, 1n, { plan: 'plus', subscriptionId: paid })).toBe(paid);
});
