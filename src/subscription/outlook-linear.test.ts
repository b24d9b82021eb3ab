import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { dayMs, hourMs, type Instant, later, latest, parseInstant } from '../kernel/instant.ts';
import { forecast, type Outlook, type OutlookFacts, outlooksOf } from './outlook.ts';
import { priceFor } from './price.ts';
import { nothingKnown } from './price-cap.ts';
import { defaultSettings } from './settings.ts';

const now = parseInstant('2026-11-25T12:00:00Z', 'the test');

// The forecast in its first form: for each subscription all charges of all others, from the start.
// It is quadratic, and each line of it is a sentence of the rule.

interface Payer {
  readonly facts: OutlookFacts;
  readonly priceMinor: bigint;
}

interface Charge {
  readonly of: SubscriptionId;
  readonly at: Instant;
  readonly priceMinor: bigint;
}

type Forecast = Outlook extends infer One
  ? One extends Outlook
    ? Omit<One, 'terms'>
    : never
  : never;

/** Without the prices that the customer knows: they do not depend on other subscriptions. */
function withoutTerms(outlook: Outlook): Forecast {
  if (outlook.at !== 'renewed' && outlook.at !== 'short') return outlook;
  const { terms: _, ...rest } = outlook;
  return rest;
}

function simple(family: readonly OutlookFacts[], windowMs: number): Map<SubscriptionId, Forecast> {
  const payers = family
    .filter(({ kind, autoRenew, listMinor }) => kind === 'paid' && autoRenew && listMinor !== null)
    .map((facts) => ({ facts, priceMinor: priceFor(facts.listMinor as bigint, facts, 30) }));
  const paid = paidOf(payers);
  const outlook = (facts: OutlookFacts): Forecast => {
    const payer = payers.find((one) => one.facts === facts);
    const { kind, autoRenew, balanceMinor } = facts;
    if (payer === undefined) return { at: kind === 'paid' && autoRenew ? 'no_price' : 'ends' };
    const { priceMinor } = payer;
    if (paid.has(payer)) return { at: 'renewed', priceMinor };
    const until = later(facts.expiresAt, windowMs);
    const othersMinor = payers
      .filter((one) => one !== payer)
      .flatMap((one) =>
        chargesOf(one, until).filter((charge) =>
          paid.has(one) ? charge.at < until : isBefore(charge, payer),
        ),
      )
      .reduce((sum, charge) => sum + charge.priceMinor, 0n);
    const missingMinor = othersMinor + priceMinor - balanceMinor;
    return { at: 'short', priceMinor, missingMinor, othersMinor };
  };
  const active = family.filter(({ state }) => state === 'active');
  return new Map(active.map((facts) => [facts.subscriptionId, outlook(facts)]));
}

function paidOf(payers: readonly Payer[]): Set<Payer> {
  const running = payers.filter(({ facts }) => !facts.waitsForTopUp);
  const isPaid = (payer: Payer, place: number): boolean => {
    const charges = running
      .slice(0, place)
      .flatMap((one) => chargesOf(one, payer.facts.expiresAt))
      .filter((charge) => isBefore(charge, payer))
      .toSorted((one, other) => one.at - other.at || Number(one.of - other.of));
    let left = payer.facts.balanceMinor;
    for (const { priceMinor } of charges) if (priceMinor <= left) left -= priceMinor;
    return payer.priceMinor <= left;
  };
  return new Set(running.filter(isPaid));
}

const isBefore = ({ of, at }: Charge, { facts: { expiresAt, subscriptionId } }: Payer): boolean =>
  at < expiresAt || (at === expiresAt && of < subscriptionId);

function chargesOf({ facts, priceMinor }: Payer, until: Instant): Charge[] {
  const { subscriptionId: of, state, expiresAt, periodDays } = facts;
  const charges = [{ of, at: expiresAt, priceMinor }];
  let at = later(state === 'active' ? expiresAt : latest(expiresAt, now), periodDays * dayMs);
  for (; at <= until; at = later(at, periodDays * dayMs)) charges.push({ of, at, priceMinor });
  return charges;
}

const one = fc.record({
  // Multiples of half a day: many ends and charges fall on the same moment.
  halfDays: fc.integer({ min: 1, max: 20 }),
  periodDays: fc.constantFrom(1, 2, 3, 30),
  listMinor: fc.constantFrom(1n, 50n, 100n, 149n, 299n, null),
  autoRenew: fc.boolean(),
  kind: fc.constantFrom('paid', 'paid', 'paid', 'trial'),
  ended: fc.constantFrom('no', 'no', 'no', 'waits', 'due'),
});

const family = fc
  .record({
    subs: fc.array(one, { minLength: 1, maxLength: 14 }),
    balanceMinor: fc.bigInt({ min: 0n, max: 1_500n }),
    discountPercent: fc.constantFrom(0, 0, 10, 100),
    vip: fc.boolean(),
    customerId: fc.constant(1n as CustomerId),
  })
  .map(({ subs, ...customer }) =>
    subs
      .map(({ halfDays, ended, kind, autoRenew, ...sub }, at): OutlookFacts => {
        const isOver = ended !== 'no' && kind === 'paid';
        return {
          ...customer,
          ...sub,
          followingListMinor: sub.listMinor,
          prices: nothingKnown,
          kind: kind as OutlookFacts['kind'],
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
    family,
    fc.constantFrom(0, 6 * hourMs, 36 * hourMs),
    (subs, windowMs) => {
      const found = outlooksOf(subs, now, { ...defaultSettings, vipPercent: 30, windowMs });
      const forecasts = [...found].map(([id, one]) => [id, withoutTerms(one)] as const);
      expect(new Map(forecasts)).toEqual(simple(subs, windowMs));
    },
  );
  fc.assert(property, { numRuns: 1_500 });
});

/** A customer with `count` subscriptions, one a minute, that counts how often an end is read. */
function reseller(count: number, balanceMinor: bigint, periodDays: number) {
  const read = { times: 0 };
  const facts = Array.from({ length: count }, (_, at): OutlookFacts => {
    const expiresAt = later(now, at * 60_000);
    return {
      subscriptionId: BigInt(at) as SubscriptionId,
      customerId: 1n as CustomerId,
      kind: 'paid',
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
      prices: nothingKnown,
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
  'W4: the forecast of 10,000 subscriptions reads each one a few times, in short turns, %s',
  (_, balance, days) => {
    const { facts, read } = reseller(10_000, balance, days);
    const turns = forecast(facts, now, defaultSettings);
    let yields = 0;
    while (!turns.next().done) yields += 1;
    expect(read.times).toBeLessThanOrEqual(4 * facts.length);
    // A turn has 500 subscriptions or 5,000 charges at most. A daily plan is charged for a week.
    expect(yields).toBeGreaterThanOrEqual((2 * facts.length) / 500);
    expect(yields).toBeLessThanOrEqual(
      (2 * facts.length) / 500 + (2 * 8 * facts.length) / 5_000 + 3,
    );
  },
);
