import type { SubscriptionKind, SubscriptionState } from '../db/schema.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { dayMs, type Instant, later, latest } from '../kernel/instant.ts';
import { endRemindersMs } from '../notify/reminder-times.ts';
import { type Charged, ChargeOrder } from './charges.ts';
import { type Discount, priceFor } from './price.ts';
import {
  chargeAt,
  chargedAt,
  countsFrom,
  expectedMinor,
  isNotified,
  type KnownPrices,
  type RenewalTerms,
} from './price-cap.ts';
import type { Settings } from './settings.ts';

// What will become of an active subscription at its end, as things stand now: whom a reminder is
// for, and whether a notice that was stored is still true. Goes by the same charge and the same
// order as auto-renewal: a customer's balance pays for the subscriptions in the order of their end,
// and one that it can't pay takes nothing.
//
// What is missing is what has to be topped up so that this one is renewed, whatever else the money
// goes to first. A top-up pays for all that end before, also for those that it was too little for
// until then, and for those that ended and come back with it; and what the balance covers of later
// ones may be taken before this one's end. So whoever tops up that much, or more, at any time until
// the end, is renewed.

export type Outlook =
  /** Auto-renewal will pay for it from what is on the balance. */
  | { readonly at: 'renewed'; readonly priceMinor: bigint; readonly terms: RenewalTerms }
  | {
      readonly at: 'short';
      /** What the renewal takes: the price, or the amount that limits it. */
      readonly priceMinor: bigint;
      readonly terms: RenewalTerms;
      readonly missingMinor: bigint;
      /** Of the balance with what is missing: what the customer's other ones take first. */
      readonly othersMinor: bigint;
    }
  /** Auto-renewal would, and finds no price: that is our trouble, the operator hears of it. */
  | { readonly at: 'no_price' }
  /** A trial, or auto-renewal is off. */
  | { readonly at: 'ends' };

export interface OutlookFacts extends Discount {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly kind: SubscriptionKind;
  readonly state: SubscriptionState;
  readonly autoRenew: boolean;
  readonly expiresAt: Instant;
  /** Of one that ended: nothing but a top-up brings it back. */
  readonly waitsForTopUp: boolean;
  /** Of the period to come. */
  readonly periodDays: number;
  readonly balanceMinor: bigint;
  /** The list price of the next period at the moment when it will be due. */
  readonly listMinor: bigint | null;
  /** The list price of the period after it, at the moment when that will be due. */
  readonly followingListMinor: bigint | null;
  readonly prices: KnownPrices;
}

export type OutlookRules = Pick<Settings, 'vipPercent' | 'windowMs' | 'noticeMs'>;

/** Charges, or subscriptions, between two pauses of a long forecast: some milliseconds. */
const chargesPerTurn = 5_000;
const subscriptionsPerTurn = 500;

/**
 * Of those that are active. @param all each customer's in order of their end: every active one, and
 * what ended and a top-up would bring back
 */
export function outlooksOf(
  all: readonly OutlookFacts[],
  now: Instant,
  rules: OutlookRules,
): Map<SubscriptionId, Outlook> {
  const steps = forecast(all, now, rules);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** As `outlooksOf`. It yields between its turns: a customer may have 10,000 subscriptions. */
export function* forecast(
  all: readonly OutlookFacts[],
  now: Instant,
  rules: OutlookRules,
): Generator<void, Map<SubscriptionId, Outlook>> {
  const outlooks = new Map<SubscriptionId, Outlook>();
  for (const family of Map.groupBy(all, ({ customerId }) => customerId).values()) {
    yield* ofFamily(family, now, rules, outlooks);
    yield;
  }
  return outlooks;
}

/** One that auto-renewal sees to. */
interface Payer extends Charged {
  readonly facts: OutlookFacts;
  readonly terms: RenewalTerms;
}

function* ofFamily(
  family: readonly OutlookFacts[],
  now: Instant,
  rules: OutlookRules,
  outlooks: Map<SubscriptionId, Outlook>,
): Generator<void, void> {
  const payers: Payer[] = [];
  for (const [place, facts] of family.entries()) {
    const payer = payerOf(facts, now, rules);
    if (payer !== undefined) payers.push(payer);
    if ((place + 1) % subscriptionsPerTurn === 0) yield;
  }
  const paid = yield* paidOf(payers);
  const others = yield* firstToOthers(payers, paid, rules);
  const payerOfFacts = new Map(payers.map((payer) => [payer.facts, payer]));
  for (const [place, facts] of family.entries()) {
    if ((place + 1) % subscriptionsPerTurn === 0) yield;
    if (facts.state !== 'active') continue;
    const payer = payerOfFacts.get(facts);
    const outlook = payer === undefined ? unpaid(facts) : outlookOf(payer, others.get(payer));
    outlooks.set(facts.subscriptionId, outlook);
  }
}

/** @param othersMinor undefined: the balance pays for it */
function outlookOf({ facts, priceMinor, terms }: Payer, othersMinor: bigint | undefined): Outlook {
  if (othersMinor === undefined) return { at: 'renewed', priceMinor, terms };
  const missingMinor = othersMinor + priceMinor - facts.balanceMinor;
  return { at: 'short', priceMinor, terms, missingMinor, othersMinor };
}

/**
 * The outlook of one subscription from an earlier forecast, with its terms as they are now.
 * @returns undefined: its charge is another one by now, so the forecast does not hold
 */
export function withTermsNow(
  before: Outlook,
  facts: OutlookFacts,
  now: Instant,
  rules: OutlookRules,
): Outlook | undefined {
  const payer = payerOf(facts, now, rules);
  if (payer === undefined) return unpaid(facts);
  const isForecast = before.at === 'renewed' || before.at === 'short';
  if (!isForecast || before.priceMinor !== payer.priceMinor) return undefined;
  return outlookOf(payer, before.at === 'short' ? before.othersMinor : undefined);
}

function payerOf(facts: OutlookFacts, now: Instant, rules: OutlookRules): Payer | undefined {
  if (facts.kind !== 'paid' || !facts.autoRenew || facts.listMinor === null) return undefined;
  const { subscriptionId: id, state, expiresAt: at, periodDays, prices } = facts;
  const { windowMs, noticeMs, vipPercent } = rules;
  const renewals = { expiresAt: at, periodDays, windowMs, noticeMs };
  const everyMs = periodDays * dayMs;
  const fullMinor = priceFor(facts.listMinor, facts, vipPercent);
  const { chargeMinor } = chargeAt(fullMinor, prices, chargedAt(renewals, now), noticeMs);
  const following = facts.followingListMinor;
  const isFollowingNear = later(at, everyMs - endRemindersMs.ends_3d) <= now;
  const terms: RenewalTerms = {
    priceMinor: fullMinor,
    followingMinor:
      following === null || !isFollowingNear ? null : priceFor(following, facts, vipPercent),
    expectedMinor: expectedMinor(prices),
    isNotified: isNotified(prices),
    countsFrom: countsFrom(renewals, now),
  };
  // One that comes back is paid from now on.
  const nextAt = later(state === 'active' ? at : latest(at, now), everyMs);
  return { id, at, nextAt, everyMs, priceMinor: chargeMinor, terms, facts };
}

const unpaid = ({ kind, autoRenew }: OutlookFacts): Outlook => ({
  at: kind === 'paid' && autoRenew ? 'no_price' : 'ends',
});

/**
 * Those that what is on the balance pays for: each charge takes what it can pay, in their order, so
 * one walk over all charges until the last end is enough.
 */
function* paidOf(payers: readonly Payer[]): Generator<void, Set<Payer>> {
  const paid = new Set<Payer>();
  const order = new ChargeOrder();
  let left = payers[0]?.facts.balanceMinor ?? 0n;
  let steps = 0;
  for (const payer of payers) {
    if (payer.facts.waitsForTopUp) continue;
    order.add(payer);
    for (;;) {
      const charge = order.takeBefore(payer);
      if (charge === undefined) break;
      if (charge <= left) left -= charge;
      if (++steps % chargesPerTurn === 0) yield;
    }
    if (payer.priceMinor <= left) paid.add(payer);
  }
  return paid;
}

/** Of each that is not paid: what may be taken before it is, once there is money for it. */
function* firstToOthers(
  payers: readonly Payer[],
  paid: ReadonlySet<Payer>,
  { windowMs }: OutlookRules,
): Generator<void, Map<Payer, bigint>> {
  const found = new Map<Payer, bigint>();
  const [covered, uncovered] = [new ChargeOrder(), new ChargeOrder()];
  for (const payer of payers) (paid.has(payer) ? covered : uncovered).add(payer);
  let sum = 0n;
  let steps = 0;
  for (const payer of payers) {
    if (paid.has(payer)) continue;
    // What is paid already needs no top-up, so it may come as soon as it is due.
    const until = later(payer.at, windowMs);
    for (;;) {
      const charge = covered.takeBeforeTime(until) ?? uncovered.takeBefore(payer);
      if (charge === undefined) break;
      sum += charge;
      if (++steps % chargesPerTurn === 0) yield;
    }
    found.set(payer, sum);
  }
  return found;
}
