import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { type Books, freshBooks } from '../../test/books.ts';
import { openShop, payer } from '../../test/shop.ts';
import { inTransaction } from '../db/connect.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { hourMs, type Instant, later, parseInstant } from '../kernel/instant.ts';
import { type Outlook, type OutlookFacts, outlooksOf, readOutlooks } from './outlook.ts';
import { defaultSettings } from './settings.ts';

const now = parseInstant('2026-11-25T12:00:00Z', 'the test');
const ids = (count: number) =>
  Array.from({ length: count }, (_, at) => BigInt(at) as SubscriptionId);

const paid = (more: Partial<OutlookFacts>): OutlookFacts => ({
  subscriptionId: 0n as SubscriptionId,
  customerId: 1n as CustomerId,
  kind: 'paid',
  state: 'active',
  autoRenew: true,
  expiresAt: later(now, hourMs),
  periodDays: 30,
  balanceMinor: 149_00n,
  listMinor: 149_00n,
  vip: false,
  discountPercent: 0,
  ...more,
});

const inWords = (outlook: Outlook | undefined): string =>
  outlook?.at === 'short' ? `short ${outlook.missingMinor}` : (outlook?.at ?? 'nothing');

const dear = { listMinor: 299_00n };
const poor = { balanceMinor: 148_99n };

test.each<[string, Partial<OutlookFacts>[], string[]]>([
  ['covered', [{}], ['renewed']],
  ['short by a kopeck', [poor], ['short 1']],
  ['auto-renewal off', [{ autoRenew: false }], ['ends']],
  ['a trial', [{ kind: 'trial', autoRenew: false }], ['ends']],
  ['no price', [{ listMinor: null }], ['no_price']],
  ['a VIP pays 30% less', [{ ...poor, vip: true }], ['renewed']],
  ['a discount, rounded down', [{ balanceMinor: 147_51n, discountPercent: 1 }], ['renewed']],
  ['one balance pays for what ends first', [{}, {}], ['renewed', 'short 14900']],
  ['what is too dear leaves it to the next', [dear, {}], ['short 15000', 'renewed']],
  ['what is not renewed takes nothing', [{ autoRenew: false }, {}], ['ends', 'renewed']],
  [
    'another customer has another balance',
    [{}, { customerId: 2n as CustomerId }],
    ['renewed', 'renewed'],
  ],
])('%s', (_, rows, expected) => {
  const all = rows.map((row, at) =>
    paid({ subscriptionId: ids(rows.length)[at] as SubscriptionId, ...row }),
  );
  const outlooks = outlooksOf(all, defaultSettings);
  expect(ids(rows.length).map((id) => inWords(outlooks.get(id)))).toEqual(expected);
});

/** The outlook of the only subscription, as the books have it. */
async function outlook(books: Books, at: Instant): Promise<Outlook | undefined> {
  const outlooks = await inTransaction(books.db, (tx) =>
    readOutlooks(tx, [1n as CustomerId], at, defaultSettings),
  );
  return [...outlooks.values()][0];
}

test('goes by the price and the plan that will be charged when it is due, not by what is so today', async () => {
  await using books = await freshBooks({ now });
  await openShop(books);
  await payer(books, 1n, 149_00n);
  const end = later(now, 30 * 24 * hourMs);
  const due = later(end, -6 * hourMs);
  const from = async (validFrom: Instant, amount: number) =>
    sql`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    VALUES ('basic', 30, 'RUB', to_timestamp(${validFrom / 1_000}), ${amount})`.execute(books.db);
  expect(await outlook(books, now)).toEqual({ at: 'renewed', priceMinor: 149_00n });
  await from(later(due, 1), 500_00);
  expect(await outlook(books, now)).toMatchObject({ at: 'renewed' });
  expect(await outlook(books, later(due, 1))).toMatchObject({ at: 'short', priceMinor: 500_00n });
  await from(due, 159_00);
  expect(await outlook(books, now)).toMatchObject({ at: 'short', missingMinor: 10_00n });
  await sql`
    UPDATE perennial.subscription SET next_plan = 'plus', next_period_days = 30`.execute(books.db);
  expect(await outlook(books, now)).toMatchObject({ at: 'short', missingMinor: 150_00n });
  await sql`UPDATE perennial.subscription SET next_period_days = 77`.execute(books.db);
  expect(await outlook(books, now)).toEqual({ at: 'no_price' });
});
