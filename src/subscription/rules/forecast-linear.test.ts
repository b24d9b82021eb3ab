import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { dayMs, hourMs, type Instant, later, latest, parseInstant } from '../../kernel/instant.ts';
import {
  computeForecasts,
  type Forecast,
  type ForecastFacts,
  forecastInSteps,
} from './forecast.ts';
import { computePriceMinor } from './price.ts';
import { noKnownPrices } from './price-cap.ts';
import { defaultSettings } from './settings.ts';

const now = parseInstant('2026-11-25T12:00:00Z', 'the test');

// The forecast in its first form: for each subscription, all charges of all others. It is
// quadratic, and each line is a sentence of the rule.

interface SimpleRenewable {
  readonly facts: ForecastFacts;
  readonly priceMinor: bigint;
}

interface Charge {
  readonly subscriptionId: SubscriptionId;
  readonly at: Instant;
  readonly priceMinor: bigint;
}

type ForecastWithoutTerms = Forecast extends infer One
  ? One extends Forecast
    ? Omit<One, 'terms'>
    : never
  : never;

/** Without the prices that the customer knows: they do not depend on other subscriptions. */
function withoutTerms(forecast: Forecast): ForecastWithoutTerms {
  if (forecast.kind !== 'renewed' && forecast.kind !== 'short') return forecast;
  const { terms: _, ...rest } = forecast;
  return rest;
}

function simulateForecasts(
  customerSubscriptions: readonly ForecastFacts[],
  windowMs: number,
): Map<SubscriptionId, ForecastWithoutTerms> {
  const renewables = customerSubscriptions
    .filter(({ kind, autoRenew, listMinor }) => kind === 'paid' && autoRenew && listMinor !== null)
    .map((facts) => ({
      facts,
      priceMinor: computePriceMinor(facts.listMinor as bigint, facts, 30),
    }));
  const paid = simulateAffordable(renewables);
  const toForecast = (facts: ForecastFacts): ForecastWithoutTerms => {
    const renewable = renewables.find((one) => one.facts === facts);
    const { kind, autoRenew, balanceMinor } = facts;
    if (renewable === undefined)
      return { kind: kind === 'paid' && autoRenew ? 'no_price' : 'ends' };
    const { priceMinor } = renewable;
    if (paid.has(renewable)) return { kind: 'renewed', priceMinor };
    const until = later(facts.expiresAt, windowMs);
    const othersMinor = renewables
      .filter((one) => one !== renewable)
      .flatMap((one) =>
        listCharges(one, until).filter((charge) =>
          paid.has(one) ? charge.at < until : isBefore(charge, renewable),
        ),
      )
      .reduce((sum, charge) => sum + charge.priceMinor, 0n);
    const missingMinor = othersMinor + priceMinor - balanceMinor;
    return { kind: 'short', priceMinor, missingMinor, othersMinor };
  };
  const active = customerSubscriptions.filter(({ state }) => state === 'active');
  return new Map(active.map((facts) => [facts.subscriptionId, toForecast(facts)]));
}

function simulateAffordable(renewables: readonly SimpleRenewable[]): Set<SimpleRenewable> {
  const running = renewables.filter(({ facts }) => !facts.waitsForTopUp);
  const isPaid = (renewable: SimpleRenewable, index: number): boolean => {
    const charges = running
      .slice(0, index)
      .flatMap((one) => listCharges(one, renewable.facts.expiresAt))
      .filter((charge) => isBefore(charge, renewable))
      .toSorted(
        (one, other) => one.at - other.at || Number(one.subscriptionId - other.subscriptionId),
      );
    let left = renewable.facts.balanceMinor;
    for (const { priceMinor } of charges) if (priceMinor <= left) left -= priceMinor;
    return renewable.priceMinor <= left;
  };
  return new Set(running.filter(isPaid));
}

const isBefore = (
  { subscriptionId: of, at }: Charge,
  { facts: { expiresAt, subscriptionId } }: SimpleRenewable,
): boolean => at < expiresAt || (at === expiresAt && of < subscriptionId);

function listCharges({ facts, priceMinor }: SimpleRenewable, until: Instant): Charge[] {
  const { subscriptionId, state, expiresAt, periodDays } = facts;
  const charges = [{ subscriptionId, at: expiresAt, priceMinor }];
  let at = later(state === 'active' ? expiresAt : latest(expiresAt, now), periodDays * dayMs);
  for (; at <= until; at = later(at, periodDays * dayMs))
    charges.push({ subscriptionId, at, priceMinor });
  return charges;
}

const anySubscription = fc.record({
  // Multiples of half a day: many ends and charges fall on the same moment.
  halfDays: fc.integer({ min: 1, max: 20 }),
  periodDays: fc.constantFrom(1, 2, 3, 30),
  listMinor: fc.constantFrom(1n, 50n, 100n, 149n, 299n, null),
  autoRenew: fc.boolean(),
  kind: fc.constantFrom('paid', 'paid', 'paid', 'trial'),
  ended: fc.constantFrom('no', 'no', 'no', 'waits', 'due'),
});

const anyCustomer = fc
  .record({
    subs: fc.array(anySubscription, { minLength: 1, maxLength: 14 }),
    balanceMinor: fc.bigInt({ min: 0n, max: 1_500n }),
    discountPercent: fc.constantFrom(0, 0, 10, 100),
    vip: fc.boolean(),
    customerId: fc.constant(1n as CustomerId),
  })
  .map(({ subs, ...customer }) =>
    subs
      .map(({ halfDays, ended, kind, autoRenew, ...sub }, at): ForecastFacts => {
        const isOver = ended !== 'no' && kind === 'paid';
        return {
          ...customer,
          ...sub,
          followingListMinor: sub.listMinor,
          prices: noKnownPrices,
          isBlocked: false,
          kind: kind as ForecastFacts['kind'],
          autoRenew: kind === 'paid' && (autoRenew || isOver),
          subscriptionId: BigInt(at) as SubscriptionId,
          state: isOver ? 'expired' : 'active',
          waitsForTopUp: isOver && ended === 'waits',
          expiresAt: later(now, halfDays * 12 * hourMs * (isOver ? -1 : 1)),
        };
      })
      .toSorted((a, b) => a.expiresAt - b.expiresAt || Number(a.subscriptionId - b.subscriptionId)),
  );

test('R11: the forecast in one walk equals the forecast that simulates each subscription alone', () => {
  const property = fc.property(
    anyCustomer,
    fc.constantFrom(0, 6 * hourMs, 36 * hourMs),
    (subs, windowMs) => {
      const found = computeForecasts(subs, now, { ...defaultSettings, vipPercent: 30, windowMs });
      const forecasts = [...found].map(([id, one]) => [id, withoutTerms(one)] as const);
      expect(new Map(forecasts)).toEqual(simulateForecasts(subs, windowMs));
    },
  );
  fc.assert(property, { numRuns: 1_500 });
});

/** A customer with `count` subscriptions, one a minute, that counts how often an end is read. */
function createReseller(count: number, balanceMinor: bigint, periodDays: number) {
  const read = { times: 0 };
  const facts = Array.from({ length: count }, (_, at): ForecastFacts => {
    const expiresAt = later(now, at * 60_000);
    return {
      subscriptionId: BigInt(at) as SubscriptionId,
      customerId: 1n as CustomerId,
      kind: 'paid',
      isBlocked: false,
      state: 'active',
      autoRenew: true,
      get expiresAt() {
        read.times += 1;
        return expiresAt;
      },
      waitsForTopUp: false,
      periodDays,
      balanceMinor,
      listMinor: 149_00n,
      followingListMinor: 149_00n,
      prices: noKnownPrices,
      vip: false,
      discountPercent: 0,
    };
  });
  return { facts, read };
}

test.each([
  ['without money', 0n, 30],
  ['with money for half of them', 149_00n * 5_000n, 30],
  ['with money for all', 10n ** 12n, 30],
  ['with daily plans', 149_00n * 5_000n, 1],
])(
  'W4: the forecast of 10,000 subscriptions reads each one a few times, in short steps, %s',
  (_, balance, days) => {
    const { facts, read } = createReseller(10_000, balance, days);
    const turns = forecastInSteps(facts, now, defaultSettings);
    let yields = 0;
    while (!turns.next().done) yields += 1;
    expect(read.times).toBeLessThanOrEqual(4 * facts.length);
    // A step has at most 500 subscriptions or 5,000 charges. A daily plan is charged for a week.
    expect(yields).toBeGreaterThanOrEqual((2 * facts.length) / 500);
    expect(yields).toBeLessThanOrEqual(
      (2 * facts.length) / 500 + (2 * 8 * facts.length) / 5_000 + 3,
    );
  },
);
