import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  dayMs,
  hourMs,
  type Instant,
  instant,
  later,
  minuteMs,
  never,
} from '../../kernel/instant.ts';
import { decideExpiry } from './expiry.ts';
import { noKnownPrices } from './price-cap.ts';
import { decideDueRenewal, decideRenewal, isRenewalDue, type RenewalFacts } from './renewal.ts';
import { defaultSettings as settings } from './settings.ts';

const now = instant(Date.parse('2026-11-24T09:00:00Z'));
const at = (ms: number): Instant => later(now, ms);

/** Due, and the balance covers the price exactly. */
const payable: RenewalFacts = {
  kind: 'paid',
  isBlocked: false,
  state: 'active',
  autoRenew: true,
  expiresAt: at(hourMs),
  nextTryAt: null,
  periodDays: 30,
  balanceMinor: 14_900n,
  listMinor: 14_900n,
  lastStartsAt: null,
  wokenAt: null,
  inTimeMinor: null,
  prices: noKnownPrices,
  vip: false,
  discountPercent: 0,
};

type Change = Partial<RenewalFacts>;

// The order is that of the rule. Each boundary has both sides.
const dueTable: readonly [why: string, change: Change, due: boolean][] = [
  ['a trial is never due', { kind: 'trial' }, false],
  ['without auto-renewal it is not due', { autoRenew: false }, false],
  ['a revoked one is not due', { state: 'revoked' }, false],
  ['6 h before the end it is due', { expiresAt: at(6 * hourMs) }, true],
  ['a millisecond earlier it is not due', { expiresAt: at(6 * hourMs + 1) }, false],
  ['at its end it is due', { expiresAt: now }, true],
  ['after its end it is due while it is active', { expiresAt: at(-90 * dayMs) }, true],
  ['it is not due before the last period begins', { lastStartsAt: at(1) }, false],
  ['… and is due from the start of that period', { lastStartsAt: now }, true],
  ['it is not due before its next attempt', { nextTryAt: at(1) }, false],
  ['… and is due at that time', { nextTryAt: now }, true],
  ['… but not before the window', { nextTryAt: now, expiresAt: at(6 * hourMs + 1) }, false],
  ['an expired one is due after a payment woke it', { state: 'expired', expiresAt: at(-1) }, true],
  ['… and not because time passes', { state: 'expired', expiresAt: at(-1), nextTryAt: now }, false],
  [
    '… and never after its days of revival',
    { state: 'expired', expiresAt: at(-1), nextTryAt: never },
    false,
  ],
];

test.for(dueTable)('R6 R13: due: %s', ([, change, due]) => {
  const facts = { ...payable, ...change };
  expect(isRenewalDue(facts, now, settings)).toBe(due);
  expect(decideRenewal(facts, now, settings).do === 'nothing').toBe(!due);
});

const revivable: Change = { state: 'expired', expiresAt: at(-7 * dayMs) };
const tooLate: Change = { state: 'expired', expiresAt: at(-7 * dayMs - 1) };
const noMoney: Change = { balanceMinor: 0n };
const noPrice: Change = { listMinor: null };

/** The outcome with its charge, and its start or next attempt in ms from now. */
type Expected = readonly [outcome: string, minor?: bigint, ms?: number];

const decisions: readonly [why: string, change: Change, expected: Expected][] = [
  ['an expired one is revived for 7 days', revivable, ['renew', 14_900n, 0]],
  ['… and not a millisecond later', tooLate, ['give-up']],
  ['the days of revival count before the price', { ...tooLate, ...noPrice }, ['give-up']],
  ['the days of revival count before the balance', { ...tooLate, ...noMoney }, ['give-up']],
  ['without a price it goes to quarantine', noPrice, ['quarantine']],
  ['the price counts before the balance', { ...noPrice, ...noMoney }, ['quarantine']],
  [
    'an expired one without a price goes to quarantine too',
    { ...revivable, ...noPrice },
    ['quarantine'],
  ],
  ['a balance that covers the price exactly is enough', {}, ['renew', 14_900n, hourMs]],
  [
    'a balance that is one unit lower waits',
    { balanceMinor: 14_899n },
    ['wait-for-money', 1n, hourMs],
  ],
  [
    'the balance has to cover the discounted price',
    { balanceMinor: 10_430n, vip: true },
    ['renew', 10_430n, hourMs],
  ],
  [
    '… to the unit, or it waits',
    { balanceMinor: 10_429n, vip: true },
    ['wait-for-money', 1n, hourMs],
  ],
  ['a price of 0 needs no balance', { ...noMoney, discountPercent: 100 }, ['renew', 0n, hourMs]],
  [
    'on time: the period starts at the end',
    { expiresAt: at(6 * hourMs) },
    ['renew', 14_900n, 6 * hourMs],
  ],
  [
    'late: the period starts at the end too',
    { expiresAt: at(-hourMs) },
    ['renew', 14_900n, -hourMs],
  ],
  [
    'almost a period late: the period starts at the end',
    { expiresAt: at(-30 * dayMs + 1) },
    ['renew', 14_900n, -30 * dayMs + 1],
  ],
  [
    'a whole period late: the period starts now',
    { expiresAt: at(-30 * dayMs) },
    ['renew', 14_900n, 0],
  ],
  [
    'expired: the period starts now',
    { state: 'expired', expiresAt: at(-1) },
    ['renew', 14_900n, 0],
  ],
  [
    'expired, and the clock went back: the period does not start before the paid end',
    { state: 'expired', expiresAt: at(hourMs) },
    ['renew', 14_900n, hourMs],
  ],
  [
    'too little money: the next attempt is in an hour',
    { ...noMoney, expiresAt: at(6 * hourMs) },
    ['wait-for-money', 14_900n, hourMs],
  ],
  [
    'too little money: the next attempt is at the end, if that is sooner',
    { ...noMoney, expiresAt: at(minuteMs) },
    ['wait-for-money', 14_900n, minuteMs],
  ],
  [
    'too little money in the last millisecond: the next attempt is at the end',
    { ...noMoney, expiresAt: at(1) },
    ['wait-for-money', 14_900n, 1],
  ],
  [
    'too little money at the end: the next attempt is in an hour',
    { ...noMoney, expiresAt: now },
    ['wait-for-money', 14_900n, hourMs],
  ],
  [
    'too little money after the end: the next attempt is in an hour',
    { ...noMoney, expiresAt: at(-dayMs) },
    ['wait-for-money', 14_900n, hourMs],
  ],
  [
    'expired, and too little money: only a payment makes it due',
    { ...revivable, ...noMoney },
    ['wait-for-money', 14_900n, Infinity],
  ],
];

test.for(decisions)('R6 R9 R13: %s', ([, change, expected]) => {
  const decision = decideRenewal({ ...payable, ...change }, now, settings);
  switch (decision.do) {
    case 'renew':
      expect([decision.do, decision.chargeMinor, decision.startsAt - now]).toEqual(expected);
      expect(decision.endsAt - decision.startsAt).toBe(30 * dayMs);
      break;
    case 'wait-for-money':
      expect([decision.do, decision.missingMinor, decision.nextTryAt - now]).toEqual(expected);
      break;
    default:
      expect([decision.do]).toEqual(expected);
  }
});

test('expiry uses the same rule and ignores the next attempt', () => {
  const waiting = { ...payable, expiresAt: at(-1), nextTryAt: at(hourMs) };
  expect(decideRenewal(waiting, now, settings).do).toBe('nothing');
  expect(decideDueRenewal(waiting, now, settings).do).toBe('renew');
});

const anyFacts: fc.Arbitrary<RenewalFacts> = fc.record({
  kind: fc.constantFrom('trial', 'paid'),
  isBlocked: fc.boolean(),
  state: fc.constantFrom('active', 'expired', 'revoked'),
  autoRenew: fc.boolean(),
  expiresAt: fc.integer({ min: -40 * dayMs, max: 40 * dayMs }).map(at),
  nextTryAt: fc.oneof(
    fc.constant(null),
    fc.constant(never),
    fc.integer({ min: -hourMs, max: hourMs }).map(at),
  ),
  periodDays: fc.integer({ min: 1, max: 3_660 }),
  balanceMinor: fc.bigInt({ min: 0n, max: 20_000n }),
  listMinor: fc.option(fc.bigInt({ min: 1n, max: 20_000n })),
  wokenAt: fc.constant(null),
  inTimeMinor: fc.option(fc.bigInt({ min: 0n, max: 20_000n })),
  lastStartsAt: fc.option(fc.integer({ min: -dayMs, max: dayMs }).map(at)),
  prices: fc.record({
    paidMinor: fc.option(fc.bigInt({ min: 0n, max: 20_000n })),
    known: fc.array(
      fc.record({
        amountMinor: fc.bigInt({ min: 0n, max: 20_000n }),
        source: fc.constantFrom('message', 'choice', 'terms'),
        knownAt: fc.integer({ min: -40 * dayMs, max: 0 }).map(at),
      }),
      { maxLength: 3 },
    ),
  }),
  vip: fc.boolean(),
  discountPercent: fc.integer({ min: 0, max: 100 }),
});

describe('for all facts', () => {
  test('R5: a period never starts before the paid end, and has its full length', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const decision = decideRenewal(facts, now, settings);
        if (decision.do !== 'renew') return;
        expect(decision.startsAt).toBeGreaterThanOrEqual(facts.expiresAt);
        expect(decision.endsAt - decision.startsAt).toBe(facts.periodDays * dayMs);
        expect(decision.endsAt).toBeGreaterThan(now);
      }),
      { numRuns: 2_000 },
    );
  });

  test('R11: a charge never exceeds the balance, and a charge that the balance covers never waits', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const decision = decideRenewal(facts, now, settings);
        if (decision.do === 'renew') expect(decision.chargeMinor <= facts.balanceMinor).toBe(true);
        if (decision.do !== 'wait-for-money') return;
        expect(decision.missingMinor > 0n).toBe(true);
        expect(facts.balanceMinor + decision.missingMinor).toBe(decision.priceMinor);
      }),
      { numRuns: 2_000 },
    );
  });

  test('R6: the next attempt is later than now, within the hour, and not after the end', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const decision = decideRenewal(facts, now, settings);
        if (decision.do !== 'wait-for-money' || facts.state === 'expired') return;
        expect(decision.nextTryAt).toBeGreaterThan(now);
        expect(decision.nextTryAt).toBeLessThanOrEqual(at(hourMs));
        if (facts.expiresAt > now) {
          expect(decision.nextTryAt).toBeLessThanOrEqual(facts.expiresAt);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('R5: a renewed subscription is not due again before its next window, also if the clock jumps', () => {
    const jump = fc.integer({ min: -2 * hourMs, max: 60 * dayMs });
    fc.assert(
      fc.property(anyFacts, jump, (facts, byMs) => {
        const decision = decideRenewal(facts, now, settings);
        if (decision.do !== 'renew') return;
        const renewed: RenewalFacts = {
          ...facts,
          state: 'active',
          expiresAt: decision.endsAt,
          nextTryAt: null,
        };
        const again = decideRenewal(renewed, at(byMs), settings);
        const inWindow = decision.endsAt <= at(byMs + 6 * hourMs);
        if (!inWindow) expect(again.do).toBe('nothing');
        if (again.do === 'renew') expect(again.startsAt).toBeGreaterThanOrEqual(decision.endsAt);
      }),
      { numRuns: 2_000 },
    );
  });
});

test.each([
  ['active', { expiresAt: at(hourMs) }],
  ['past its end', { expiresAt: at(-hourMs) }],
  ['expired and paid for', { state: 'expired', expiresAt: at(-hourMs) }],
  ['without a price', { listMinor: null }],
] as const)('a blocked customer is never charged: %s', (_, change) => {
  const facts: RenewalFacts = { ...payable, ...change, isBlocked: true };
  expect(decideRenewal(facts, now, settings)).toEqual({ do: 'wait-for-unblock' });
  expect(decideDueRenewal(facts, now, settings)).toEqual({ do: 'wait-for-unblock' });
  const expiry = { ...facts, isQuarantined: false, changesAt: null };
  const isOver = facts.state === 'active' && facts.expiresAt <= now;
  expect(decideExpiry(expiry, now, settings).do).toBe(isOver ? 'end' : 'nothing');
});
