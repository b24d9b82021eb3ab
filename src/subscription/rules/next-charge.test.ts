import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { dayMs, hourMs, type Instant, instant, later, never } from '../../kernel/instant.ts';
import { describeChargeCause } from './charge-cause-text.ts';
import { computeForecasts } from './forecast.ts';
import {
  type ChargeContext,
  type ChargeFacts,
  chooseNextCharge,
  type PredictedCharge,
  predictCharges,
} from './next-charge.ts';
import { noKnownPrices } from './price-cap.ts';
import { decideRenewal } from './renewal.ts';
import { defaultSettings, defaultSpendLimits } from './settings.ts';
import { type HoldReason, holdReasonTexts } from './spend-limit.ts';

const now = instant(Date.parse('2026-11-24T09:00:00Z'));
const at = (ms: number): Instant => later(now, ms);

/** It ends in ten days, and the balance covers the price exactly. */
const covered: ChargeFacts = {
  subscriptionId: 1n as SubscriptionId,
  customerId: 1n as CustomerId,
  kind: 'paid',
  isBlocked: false,
  state: 'active',
  autoRenew: true,
  plan: 'basic',
  expiresAt: at(10 * dayMs),
  waitsForTopUp: false,
  nextTryAt: null,
  wokenAt: null,
  lastStartsAt: at(-20 * dayMs),
  quarantine: null,
  earlierMinor: 149_00n,
  periodDays: 30,
  balanceMinor: 149_00n,
  listMinor: 149_00n,
  followingListMinor: 149_00n,
  prices: noKnownPrices,
  vip: false,
  discountPercent: 0,
};
const dueNow: ChargeFacts = { ...covered, expiresAt: at(hourMs) };
const ended: ChargeFacts = {
  ...covered,
  state: 'expired',
  expiresAt: at(-dayMs),
  nextTryAt: never,
  waitsForTopUp: true,
};

const trusted: ChargeContext = {
  now,
  rules: defaultSettings,
  suspectReason: null,
  guard: null,
};

function predict(
  all: readonly ChargeFacts[],
  context: Partial<ChargeContext> = {},
): PredictedCharge[] {
  const full = { ...trusted, ...context };
  return predictCharges(all, computeForecasts(all, full.now, full.rules), full);
}

const predictOne = (facts: ChargeFacts, context: Partial<ChargeContext> = {}): PredictedCharge =>
  predict([facts], context)[0] as PredictedCharge;

const holding = (...reasons: readonly HoldReason[]): Partial<ChargeContext> => ({
  guard: { reasons: new Set(reasons), limits: defaultSpendLimits },
});

const quarantine = { reason: 'pg_23514: a check', retryAt: at(2 * hourMs) };

// The order is that of the rule.
test.each<
  [
    state: string,
    facts: ChargeFacts,
    context: Partial<ChargeContext>,
    cause: string,
    chargeAt: Instant | null,
  ]
>([
  ['revoked', { ...covered, state: 'revoked' }, {}, 'revoked', null],
  ['a trial', { ...covered, kind: 'trial', autoRenew: false }, {}, 'trial', null],
  ['auto-renewal off', { ...covered, autoRenew: false }, {}, 'auto_renew_off', null],
  ['ended 8 days ago', { ...ended, expiresAt: at(-8 * dayMs) }, {}, 'revival_over', null],
  ['ended yesterday', ended, {}, 'waits_for_payment', null],
  [
    'ended, and paid since',
    { ...ended, nextTryAt: null, wokenAt: now, waitsForTopUp: false },
    {},
    'revival_due',
    now,
  ],
  [
    'ended, and paid too little since',
    { ...ended, nextTryAt: null, wokenAt: now, waitsForTopUp: false, balanceMinor: 148_99n },
    {},
    'waits_for_payment',
    null,
  ],
  ['ended without a price', { ...ended, listMinor: null }, {}, 'no_price', null],
  ['due at a suspect time', dueNow, { suspectReason: 'a jump' }, 'clock_suspect', now],
  [
    'due later, at a suspect time',
    covered,
    { suspectReason: 'a jump' },
    'covered',
    at(10 * dayMs - 6 * hourMs),
  ],
  ['no price', { ...covered, listMinor: null }, {}, 'no_price', at(10 * dayMs - 6 * hourMs)],
  [
    'no price, in quarantine',
    { ...dueNow, listMinor: null, quarantine },
    {},
    'no_price',
    at(2 * hourMs),
  ],
  ['in quarantine', { ...dueNow, quarantine }, {}, 'quarantined', at(2 * hourMs)],
  ['a kopeck short', { ...dueNow, balanceMinor: 148_99n }, {}, 'short', now],
  [
    'late, and the guard holds late charges',
    { ...dueNow, expiresAt: at(-hourMs) },
    holding('late'),
    'held_by_guard',
    now,
  ],
  [
    'not late, and the guard holds late charges',
    { ...dueNow, expiresAt: at(1 - hourMs) },
    holding('late'),
    'due',
    now,
  ],
  ['due, and the guard holds the run', dueNow, holding('run'), 'held_by_guard', now],
  [
    'not due, and the guard holds the run',
    covered,
    holding('run'),
    'covered',
    at(10 * dayMs - 6 * hourMs),
  ],
  [
    'due at more than three times the earlier price',
    { ...dueNow, earlierMinor: 49_66n },
    holding(),
    'held_by_guard',
    now,
  ],
  [
    'due at three times the earlier price',
    { ...dueNow, earlierMinor: 49_67n },
    holding('price'),
    'due',
    now,
  ],
  [
    'postponed after a refund',
    { ...dueNow, nextTryAt: at(hourMs / 2) },
    {},
    'waits_for_next_try',
    at(hourMs / 2),
  ],
  [
    'postponed beyond the end',
    { ...dueNow, nextTryAt: at(2 * hourMs) },
    {},
    'waits_for_next_try',
    at(hourMs),
  ],
  [
    'paid ahead, and the last period begins in half an hour',
    { ...dueNow, lastStartsAt: at(hourMs / 2) },
    {},
    'too_early',
    at(hourMs / 2),
  ],
  ['due', dueNow, {}, 'due', now],
  ['covered', covered, {}, 'covered', at(10 * dayMs - 6 * hourMs)],
])('the cause of a subscription that is %s', (_, facts, context, cause, chargeAt) => {
  const predicted = predictOne(facts, context);
  expect([predicted.cause.kind, predicted.at]).toEqual([cause, chargeAt]);
  const reason = describeChargeCause(predicted.cause, 'RUB');
  expect(reason.code).toBe(cause);
  if (predicted.cause.kind === 'held_by_guard')
    return expect(reason.sentence).toContain(holdReasonTexts[predicted.cause.reason]);
  for (const value of Object.values(reason.params)) {
    if (value !== null && value !== '0.00') expect(reason.sentence).toContain(String(value));
  }
});

test('after a held charge the other due charges of the customer are held too', () => {
  const rich = { ...dueNow, balanceMinor: 1_000_00n };
  const first = { ...rich, subscriptionId: 2n as SubscriptionId, earlierMinor: 1_00n };
  const causes = (all: readonly ChargeFacts[]) =>
    predict(all, holding()).map(({ cause }) => cause.kind);
  expect(causes([first, rich])).toEqual(['held_by_guard', 'held_by_guard']);
  expect(causes([rich, first])).toEqual(['due', 'held_by_guard']);
  expect(causes([first, { ...covered, balanceMinor: 1_000_00n }])).toEqual([
    'held_by_guard',
    'covered',
  ]);
});

test('a short subscription states what is missing, and what others take first', () => {
  const earlier = { ...covered, subscriptionId: 2n as SubscriptionId, expiresAt: at(dayMs) };
  const [first, second] = predict([earlier, covered]);
  expect(first?.cause.kind).toBe('covered');
  expect(second).toMatchObject({
    missingMinor: 149_00n,
    cause: { kind: 'short', missingMinor: 149_00n, othersMinor: 149_00n },
  });
});

test('a payment revives two ended subscriptions in the order of their ends', () => {
  const earlier = { ...ended, subscriptionId: 2n as SubscriptionId, expiresAt: at(-2 * dayMs) };
  expect(predict([earlier, ended]).map(({ missingMinor }) => missingMinor)).toEqual([0n, 149_00n]);
});

test('the next charge of a customer is the earliest one', () => {
  const chosen = (all: readonly ChargeFacts[]) => chooseNextCharge(predict(all), all);
  const off = { ...covered, subscriptionId: 2n as SubscriptionId, autoRenew: false };
  const expiresFirst = { ...off, expiresAt: at(dayMs) };
  expect(chosen([expiresFirst, covered]).subscriptionId).toBe(1n);
  expect(chosen([ended, off]).cause.kind).toBe('auto_renew_off');
  expect(chosen([{ ...ended, autoRenew: false }, ended]).cause.kind).toBe('waits_for_payment');
  expect(chosen([]).cause.kind).toBe('no_subscription');
});

test('a predicted charge is the decision of auto-renewal at that time', () => {
  const day = fc.integer({ min: -3 * dayMs, max: 40 * dayMs });
  const facts = fc.record({
    expiresAt: day,
    startsBeforeEndMs: fc.integer({ min: dayMs, max: 40 * dayMs }),
    nextTryAt: fc.option(fc.integer({ min: -hourMs, max: 5 * hourMs })),
    periodDays: fc.constantFrom(1, 7, 30, 365),
    balanceMinor: fc.bigInt({ min: 0n, max: 300_00n }),
    listMinor: fc.option(fc.bigInt({ min: 1n, max: 300_00n }), { freq: 20 }),
    windowMs: fc.constantFrom(hourMs, 6 * hourMs, 3 * dayMs),
  });
  fc.assert(
    fc.property(facts, ({ startsBeforeEndMs, windowMs, ...given }) => {
      const expiresAt = at(given.expiresAt);
      const row: ChargeFacts = {
        ...covered,
        ...given,
        expiresAt,
        nextTryAt: given.nextTryAt === null ? null : at(given.nextTryAt),
        lastStartsAt: later(expiresAt, -startsBeforeEndMs),
      };
      const rules = { ...defaultSettings, windowMs };
      const { at: chargeAt, chargeMinor, missingMinor, cause } = predictOne(row, { rules });
      if (chargeAt === null) throw new Error('an active subscription has a time');
      const nextTryAt = cause.kind === 'waits_for_next_try' ? chargeAt : null;
      const decision = decideRenewal({ ...row, nextTryAt, inTimeMinor: null }, chargeAt, rules);
      if (cause.kind === 'no_price') expect(decision.do).toBe('quarantine');
      else if (missingMinor > 0n)
        expect(decision).toMatchObject({ do: 'wait-for-money', missingMinor });
      else expect(decision).toMatchObject({ do: 'renew', chargeMinor });
      // It was not due before.
      const before = later(chargeAt, -1);
      if (chargeAt > now && cause.kind !== 'waits_for_next_try')
        expect(decideRenewal({ ...row, inTimeMinor: null }, before, rules).do).toBe('nothing');
    }),
  );
});
