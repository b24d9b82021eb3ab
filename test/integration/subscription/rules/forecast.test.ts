import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inTransaction } from '../../../../src/db/connect.ts';
import type { CustomerId, SubscriptionId } from '../../../../src/kernel/ids.ts';
import {
  hourMs,
  type Instant,
  later,
  never,
  parseInstant,
} from '../../../../src/kernel/instant.ts';
import { majorUnits } from '../../../../src/kernel/money.ts';
import {
  computeForecasts,
  type Forecast,
  type ForecastFacts,
} from '../../../../src/subscription/rules/forecast.ts';
import { noKnownPrices } from '../../../../src/subscription/rules/price-cap.ts';
import { decideDueRenewal, decideRenewal } from '../../../../src/subscription/rules/renewal.ts';
import { defaultSettings } from '../../../../src/subscription/rules/settings.ts';
import { readForecasts } from '../../../../src/subscription/store/forecast-facts.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { createShopDatabase, createSubscriber } from '../../../support/shop.ts';

const now = parseInstant('2026-11-25T12:00:00Z', 'the test');
const ids = (count: number) =>
  Array.from({ length: count }, (_, at) => BigInt(at) as SubscriptionId);

const createFacts = (overrides: Partial<ForecastFacts>): ForecastFacts => ({
  subscriptionId: 0n as SubscriptionId,
  customerId: 1n as CustomerId,
  kind: 'paid',
  state: 'active',
  autoRenew: true,
  expiresAt: later(now, hourMs),
  isBlocked: false,
  waitsForTopUp: false,
  periodDays: 30,
  balanceMinor: 149_00n,
  listMinor: 149_00n,
  followingListMinor: 149_00n,
  prices: noKnownPrices,
  vip: false,
  discountPercent: 0,
  ...overrides,
});

/** `short 49, 149 to others first`, in major units. */
function describe(forecast: Forecast | undefined): string {
  if (forecast?.kind !== 'short') return forecast?.kind ?? 'nothing';
  const [missing, others] = [forecast.missingMinor, forecast.othersMinor].map((minor) =>
    majorUnits(minor, 'RUB').replace('.00', ''),
  );
  return others === '0' ? `short ${missing}` : `short ${missing}, ${others} to others first`;
}

const expensive = { listMinor: 299_00n };
const shortBalance = { balanceMinor: 148_99n };
const withBalance = (balance: number) => ({ balanceMinor: BigInt(balance) * 100n });
const endingIn = (inHours: number) => ({ expiresAt: later(now, inHours * hourMs) });
const endedFacts = { state: 'expired', waitsForTopUp: true, ...endingIn(-1) } as const;

test.each<[string, Partial<ForecastFacts>[], string[]]>([
  ['a covered charge is renewed', [{}], ['renewed']],
  ['a balance that is a kopeck too low is short', [shortBalance], ['short 0.01']],
  ['without auto-renewal it ends', [{ autoRenew: false }], ['ends']],
  ['a trial ends', [{ kind: 'trial', autoRenew: false }], ['ends']],
  ['a blocked customer is not charged', [{ isBlocked: true }], ['ends']],
  ['without a price there is no charge', [{ listMinor: null }], ['no_price']],
  ['the balance covers the price of a VIP', [{ ...shortBalance, vip: true }], ['renewed']],
  [
    'the discounted price is rounded down',
    [{ balanceMinor: 147_51n, discountPercent: 1 }],
    ['renewed'],
  ],
  [
    'one balance pays for the earliest end',
    [{}, {}],
    ['renewed', 'short 149, 149 to others first'],
  ],
  [
    'a top-up also pays for an earlier one that the balance did not cover',
    [withBalance(100), withBalance(100)],
    ['short 49', 'short 198, 149 to others first'],
  ],
  [
    '… also if the balance almost covers this one alone',
    [{ ...expensive, ...withBalance(148) }, withBalance(148)],
    ['short 151', 'short 300, 299 to others first'],
  ],
  [
    'a short period takes its price at each of its earlier ends',
    [
      { ...withBalance(0), periodDays: 1 },
      { ...withBalance(0), ...endingIn(50) },
    ],
    ['short 149', 'short 596, 447 to others first'],
  ],
  [
    'an expired one takes its price after a top-up, and nothing before it',
    [
      { ...endedFacts, ...withBalance(100) },
      { ...withBalance(100), listMinor: 100_00n },
      { ...withBalance(100), ...endingIn(2) },
    ],
    ['nothing', 'renewed', 'short 298, 249 to others first'],
  ],
  [
    'a later one that the balance covers may be charged before the end',
    [expensive, endingIn(6)],
    ['short 299, 149 to others first', 'renewed'],
  ],
  [
    'a later one without a price takes nothing',
    [expensive, { ...endingIn(2), listMinor: null }],
    ['short 150', 'no_price'],
  ],
  [
    'a charge that the balance does not cover leaves the money to the next one',
    [expensive, endingIn(7)],
    ['short 150', 'renewed'],
  ],
  [
    'without auto-renewal an earlier one takes nothing',
    [{ autoRenew: false }, {}],
    ['ends', 'renewed'],
  ],
  [
    'another customer has another balance',
    [{}, { customerId: 2n as CustomerId }],
    ['renewed', 'renewed'],
  ],
])('%s', (_, rows, expected) => {
  const all = rows.map((row, at) =>
    createFacts({ subscriptionId: ids(rows.length)[at] as SubscriptionId, ...row }),
  );
  const outlooks = computeForecasts(all, now, defaultSettings);
  expect(ids(rows.length).map((id) => describe(outlooks.get(id)))).toEqual(expected);
});

interface Sub extends ForecastFacts {
  readonly nextTryAt: Instant | null;
}

/**
 * The effect of a run of auto-renewal on the subscriptions of a customer, and the balance after it.
 */
function runOnce(customerSubscriptions: Sub[], at: Instant, balanceBefore: bigint): bigint {
  let balanceMinor = balanceBefore;
  for (const sub of customerSubscriptions.toSorted(
    (one, other) => one.expiresAt - other.expiresAt,
  )) {
    const isOver = sub.state === 'active' && sub.expiresAt <= at;
    const decide = isOver && sub.autoRenew ? decideDueRenewal : decideRenewal;
    const decision = decide(
      { ...sub, balanceMinor, lastStartsAt: null, wokenAt: null, inTimeMinor: null },
      at,
      defaultSettings,
    );
    if (decision.do === 'renew') {
      balanceMinor -= decision.chargeMinor;
      Object.assign(sub, { state: 'active', expiresAt: decision.endsAt, nextTryAt: null });
    } else if (isOver) {
      Object.assign(sub, { state: 'expired', nextTryAt: never });
    } else if (decision.do === 'wait-for-money') {
      Object.assign(sub, { nextTryAt: decision.nextTryAt });
    }
  }
  return balanceMinor;
}

/** The runs of the workers until `end`, with a top-up in between. */
function simulate(
  customerSubscriptions: Sub[],
  end: Instant,
  topUp: { at: Instant; minor: bigint },
): void {
  let left = customerSubscriptions[0]?.balanceMinor ?? 0n;
  let hasToppedUp = false;
  for (let at = now; at <= end; at = later(at, hourMs / 2)) {
    if (!hasToppedUp && at >= topUp.at) {
      hasToppedUp = true;
      left += topUp.minor;
      for (const sub of customerSubscriptions) Object.assign(sub, { nextTryAt: null });
    }
    left = runOnce(customerSubscriptions, at, left);
  }
}

test('R11: a customer who tops up the missing amount or more, at any time before the end, is renewed', () => {
  const halfHours = (max: number) => fc.integer({ min: 1, max });
  const one = fc.record({
    ends: halfHours(144),
    periodDays: fc.constantFrom(1, 2, 30),
    price: fc.constantFrom(50, 100, 149, 299),
    autoRenew: fc.boolean(),
  });
  const property = fc.property(
    fc.array(one, { minLength: 1, maxLength: 5 }),
    fc.integer({ min: 0, max: 500 }),
    fc.float({ min: 0, max: 1, noNaN: true }),
    fc.integer({ min: 0, max: 400 }),
    (given, balance, when, extra) => {
      const subs = given
        .map((sub): Sub => {
          const { autoRenew, periodDays } = sub;
          const expiresAt = later(now, (sub.ends * hourMs) / 2);
          const listMinor = BigInt(sub.price);
          const facts = { autoRenew, periodDays, expiresAt, listMinor };
          return { ...createFacts(facts), balanceMinor: BigInt(balance), nextTryAt: null };
        })
        .toSorted((a, b) => a.expiresAt - b.expiresAt)
        .map((sub, at) => ({ ...sub, subscriptionId: BigInt(at) as SubscriptionId }));
      for (const [id, outlook] of computeForecasts(subs, now, defaultSettings)) {
        if (outlook.kind !== 'short') continue;
        const copies = subs.map((sub) => ({ ...sub }));
        const subscription = copies.find((sub) => sub.subscriptionId === id) as Sub;
        const end = subscription.expiresAt;
        const steps = Math.floor(((end - now) / hourMs) * 2 * when);
        const topUp = { at: later(now, (steps * hourMs) / 2), minor: outlook.missingMinor };
        simulate(copies, end, { ...topUp, minor: topUp.minor + BigInt(extra) });
        expect(subscription).toMatchObject({ state: 'active' });
        expect(subscription.expiresAt).toBeGreaterThan(end);
      }
    },
  );
  fc.assert(property, { numRuns: 300 });
});

/** The forecast of the only subscription, from the database. */
async function readForecast(database: TestDatabase, at: Instant): Promise<Forecast | undefined> {
  const forecasts = await inTransaction(database.db, (tx) =>
    readForecasts(tx, [1n as CustomerId], at, defaultSettings),
  );
  return [...forecasts.values()][0];
}

test('a forecast uses the price and the plan of the time of the charge, not the present ones', async () => {
  await using database = await createShopDatabase({ now });
  await createSubscriber(database, 1n, 149_00n);
  const end = later(now, 30 * 24 * hourMs);
  const due = later(end, -6 * hourMs);
  const from = async (validFrom: Instant, amount: number) =>
    database.query`
    INSERT INTO perennial.plan_price (plan, period_days, currency, valid_from, amount_minor)
    VALUES ('basic', 30, 'RUB', to_timestamp(${validFrom / 1_000}), ${amount})`;
  expect(await readForecast(database, now)).toMatchObject({ kind: 'renewed', priceMinor: 149_00n });
  // The customer knows 500.00 for the next period since its choice, so nothing limits the charge.
  await database.query`
    INSERT INTO perennial.known_price (customer_id, subscription_id, plan, period_days,
      amount_minor, source, known_at)
    SELECT customer_id, id, 'basic', 30, 50000, 'choice', started_at
    FROM perennial.subscription`;
  await from(later(due, 1), 500_00);
  expect(await readForecast(database, now)).toMatchObject({ kind: 'renewed' });
  expect(await readForecast(database, later(due, 1))).toMatchObject({
    kind: 'short',
    priceMinor: 500_00n,
  });
  await from(due, 159_00);
  expect(await readForecast(database, now)).toMatchObject({ kind: 'short', missingMinor: 10_00n });
  await database.query`UPDATE perennial.subscription SET next_plan = 'plus', next_period_days = 30`;
  expect(await readForecast(database, now)).toMatchObject({ kind: 'short', missingMinor: 150_00n });
  await database.query`UPDATE perennial.subscription SET next_period_days = 77`;
  expect(await readForecast(database, now)).toEqual({ kind: 'no_price' });
});
