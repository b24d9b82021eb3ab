import type { SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { dayMs, type Instant, later, latest } from '../../kernel/instant.ts';
import { endRemindersMs } from '../../outbox/reminder-schedule.ts';
import { ChargeQueue, type RecurringCharge } from './charges.ts';
import { computePriceMinor, type Discount } from './price.ts';
import {
  computeCharge,
  computeChargeTime,
  computeEffectiveFrom,
  computeExpectedMinor,
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

export type Forecast =
  /** Auto-renewal will pay for it from what is on the balance. */
  | { readonly kind: 'renewed'; readonly priceMinor: bigint; readonly terms: RenewalTerms }
  | {
      readonly kind: 'short';
      /** What the renewal takes: the price, or the amount that limits it. */
      readonly priceMinor: bigint;
      readonly terms: RenewalTerms;
      readonly missingMinor: bigint;
      /** Of the balance with what is missing: what the customer's other ones take first. */
      readonly othersMinor: bigint;
    }
  /** Auto-renewal would, and finds no price: that is our trouble, the operator hears of it. */
  | { readonly kind: 'no_price' }
  /** A trial, or auto-renewal is off. */
  | { readonly kind: 'ends' };

export interface ForecastFacts extends Discount {
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

export type ForecastRules = Pick<Settings, 'vipPercent' | 'windowMs' | 'noticeMs'>;

/** Charges, or subscriptions, between two pauses of a long forecast: some milliseconds. */
const chargesPerPause = 5_000;
const subscriptionsPerPause = 500;

/**
 * Of those that are active. @param all each customer's in order of their end: every active one, and
 * what ended and a top-up would bring back
 */
export function computeForecasts(
  all: readonly ForecastFacts[],
  now: Instant,
  rules: ForecastRules,
): Map<SubscriptionId, Forecast> {
  const steps = forecastInSteps(all, now, rules);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** As `outlooksOf`. It yields between its turns: a customer may have 10,000 subscriptions. */
export function* forecastInSteps(
  all: readonly ForecastFacts[],
  now: Instant,
  rules: ForecastRules,
): Generator<void, Map<SubscriptionId, Forecast>> {
  const forecasts = new Map<SubscriptionId, Forecast>();
  for (const customerSubscriptions of Map.groupBy(all, ({ customerId }) => customerId).values()) {
    yield* forecastCustomer(customerSubscriptions, now, rules, forecasts);
    yield;
  }
  return forecasts;
}

/** One that auto-renewal sees to. */
interface RenewableSubscription extends RecurringCharge {
  readonly facts: ForecastFacts;
  readonly terms: RenewalTerms;
}

function* forecastCustomer(
  customerSubscriptions: readonly ForecastFacts[],
  now: Instant,
  rules: ForecastRules,
  forecasts: Map<SubscriptionId, Forecast>,
): Generator<void, void> {
  const renewables: RenewableSubscription[] = [];
  for (const [index, facts] of customerSubscriptions.entries()) {
    const renewable = toRenewable(facts, now, rules);
    if (renewable !== undefined) renewables.push(renewable);
    if ((index + 1) % subscriptionsPerPause === 0) yield;
  }
  const paid = yield* affordable(renewables);
  const others = yield* chargedBefore(renewables, paid, rules);
  const renewableByFacts = new Map(renewables.map((renewable) => [renewable.facts, renewable]));
  for (const [index, facts] of customerSubscriptions.entries()) {
    if ((index + 1) % subscriptionsPerPause === 0) yield;
    if (facts.state !== 'active') continue;
    const renewable = renewableByFacts.get(facts);
    const forecast =
      renewable === undefined
        ? forecastWithoutCharge(facts)
        : toForecast(renewable, others.get(renewable));
    forecasts.set(facts.subscriptionId, forecast);
  }
}

/** @param othersMinor undefined: the balance pays for it */
function toForecast(
  { facts, priceMinor, terms }: RenewableSubscription,
  othersMinor: bigint | undefined,
): Forecast {
  if (othersMinor === undefined) return { kind: 'renewed', priceMinor, terms };
  const missingMinor = othersMinor + priceMinor - facts.balanceMinor;
  return { kind: 'short', priceMinor, terms, missingMinor, othersMinor };
}

/**
 * The outlook of one subscription from an earlier forecast, with its terms as they are now.
 * @returns undefined: its charge is another one by now, so the forecast does not hold
 */
export function withCurrentTerms(
  before: Forecast,
  facts: ForecastFacts,
  now: Instant,
  rules: ForecastRules,
): Forecast | undefined {
  const renewable = toRenewable(facts, now, rules);
  if (renewable === undefined) return forecastWithoutCharge(facts);
  const isForecast = before.kind === 'renewed' || before.kind === 'short';
  if (!isForecast || before.priceMinor !== renewable.priceMinor) return undefined;
  return toForecast(renewable, before.kind === 'short' ? before.othersMinor : undefined);
}

function toRenewable(
  facts: ForecastFacts,
  now: Instant,
  rules: ForecastRules,
): RenewableSubscription | undefined {
  if (facts.kind !== 'paid' || !facts.autoRenew || facts.listMinor === null) return undefined;
  const { subscriptionId: id, state, expiresAt: at, periodDays, prices } = facts;
  const { windowMs, noticeMs, vipPercent } = rules;
  const schedule = { expiresAt: at, periodDays, windowMs, noticeMs };
  const everyMs = periodDays * dayMs;
  const fullMinor = computePriceMinor(facts.listMinor, facts, vipPercent);
  const { chargeMinor } = computeCharge(
    fullMinor,
    prices,
    computeChargeTime(schedule, now),
    noticeMs,
  );
  const following = facts.followingListMinor;
  const isFollowingNear = later(at, everyMs - endRemindersMs.ends_3d) <= now;
  const terms: RenewalTerms = {
    priceMinor: fullMinor,
    followingMinor:
      following === null || !isFollowingNear
        ? null
        : computePriceMinor(following, facts, vipPercent),
    expectedMinor: computeExpectedMinor(prices),
    isNotified: isNotified(prices),
    effectiveFrom: computeEffectiveFrom(schedule, now),
  };
  // One that comes back is paid from now on.
  const nextAt = later(state === 'active' ? at : latest(at, now), everyMs);
  return { id, at, nextAt, everyMs, priceMinor: chargeMinor, terms, facts };
}

const forecastWithoutCharge = ({ kind, autoRenew }: ForecastFacts): Forecast => ({
  kind: kind === 'paid' && autoRenew ? 'no_price' : 'ends',
});

/**
 * Those that what is on the balance pays for: each charge takes what it can pay, in their order, so
 * one walk over all charges until the last end is enough.
 */
function* affordable(
  renewables: readonly RenewableSubscription[],
): Generator<void, Set<RenewableSubscription>> {
  const paid = new Set<RenewableSubscription>();
  const queue = new ChargeQueue();
  let left = renewables[0]?.facts.balanceMinor ?? 0n;
  let steps = 0;
  for (const renewable of renewables) {
    if (renewable.facts.waitsForTopUp) continue;
    queue.add(renewable);
    for (;;) {
      const charge = queue.takeBefore(renewable);
      if (charge === undefined) break;
      if (charge <= left) left -= charge;
      if (++steps % chargesPerPause === 0) yield;
    }
    if (renewable.priceMinor <= left) paid.add(renewable);
  }
  return paid;
}

/** Of each that is not paid: what may be taken before it is, once there is money for it. */
function* chargedBefore(
  renewables: readonly RenewableSubscription[],
  paid: ReadonlySet<RenewableSubscription>,
  { windowMs }: ForecastRules,
): Generator<void, Map<RenewableSubscription, bigint>> {
  const chargedMinor = new Map<RenewableSubscription, bigint>();
  const [covered, uncovered] = [new ChargeQueue(), new ChargeQueue()];
  for (const renewable of renewables) (paid.has(renewable) ? covered : uncovered).add(renewable);
  let sum = 0n;
  let steps = 0;
  for (const renewable of renewables) {
    if (paid.has(renewable)) continue;
    // What is paid already needs no top-up, so it may come as soon as it is due.
    const until = later(renewable.at, windowMs);
    for (;;) {
      const charge = covered.takeBeforeTime(until) ?? uncovered.takeBefore(renewable);
      if (charge === undefined) break;
      sum += charge;
      if (++steps % chargesPerPause === 0) yield;
    }
    chargedMinor.set(renewable, sum);
  }
  return chargedMinor;
}
