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

// The forecast: what happens to an active subscription at its end, with the present facts.
//
// 1. A forecast uses the charge and the order of auto-renewal. The balance pays for the
//    subscriptions of a customer in the order of their ends. A charge that the balance cannot cover
//    takes nothing.
// 2. A subscription is `renewed` if the balance covers its charge.
// 3. If it is `short`, `missingMinor` is the top-up that it needs. It includes all charges that may
//    come before it. Earlier ends count, also if the balance could not cover them until then. So do
//    expired subscriptions that the top-up revives. Later subscriptions count if the balance pays
//    them already, because they may be charged before.
// 4. So a customer who tops up that much or more, at any time until the end, is renewed.
// 5. Without a price the kind is `no_price`. A trial ends, and so does a subscription without
//    auto-renewal, or of a blocked customer.
//
// Reminders, the relevance of stored notifications, and the views of a customer use forecasts.

export type Forecast =
  /** Auto-renewal will pay for it from the balance. */
  | { readonly kind: 'renewed'; readonly priceMinor: bigint; readonly terms: RenewalTerms }
  | {
      readonly kind: 'short';
      /** The charge: the price, or the amount that limits it. */
      readonly priceMinor: bigint;
      readonly terms: RenewalTerms;
      readonly missingMinor: bigint;
      /** The part of the balance and the missing amount that the other subscriptions take first. */
      readonly othersMinor: bigint;
    }
  /** Auto-renewal finds no price. The operator gets an alarm. */
  | { readonly kind: 'no_price' }
  /** A trial, or auto-renewal is off, or the customer is blocked. */
  | { readonly kind: 'ends' };

export interface ForecastFacts extends Discount {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly kind: SubscriptionKind;
  readonly isBlocked: boolean;
  readonly state: SubscriptionState;
  readonly autoRenew: boolean;
  readonly expiresAt: Instant;
  /** Of an expired subscription: only a payment revives it. */
  readonly waitsForTopUp: boolean;
  /** The length of the next period. */
  readonly periodDays: number;
  readonly balanceMinor: bigint;
  /** The list price at the time when the next period will be due. */
  readonly listMinor: bigint | null;
  /** The list price of the period after it, at the time when that period will be due. */
  readonly followingListMinor: bigint | null;
  readonly prices: KnownPrices;
}

export type ForecastRules = Pick<Settings, 'vipPercent' | 'windowMs' | 'noticeMs'>;

/** Charges, or subscriptions, between two pauses of a long forecast: a few milliseconds. */
const chargesPerPause = 5_000;
const subscriptionsPerPause = 500;

/**
 * Forecasts the active subscriptions.
 * @param all per customer in the order of the ends: active subscriptions, and expired ones that a
 *   payment would revive
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

/**
 * `computeForecasts` in steps. It yields between steps: a customer may have 10,000 subscriptions.
 */
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

/** A subscription that auto-renewal charges. */
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

/** @param othersMinor undefined: the balance covers the charge */
function toForecast(
  { facts, priceMinor, terms }: RenewableSubscription,
  othersMinor: bigint | undefined,
): Forecast {
  if (othersMinor === undefined) return { kind: 'renewed', priceMinor, terms };
  const missingMinor = othersMinor + priceMinor - facts.balanceMinor;
  return { kind: 'short', priceMinor, terms, missingMinor, othersMinor };
}

/**
 * The forecast of one subscription from an earlier forecast, with its present terms.
 * @returns undefined: the charge is different now, so the earlier forecast does not hold
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
  if (facts.kind !== 'paid' || !facts.autoRenew || facts.isBlocked) return undefined;
  if (facts.listMinor === null) return undefined;
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
  // A revived subscription is paid from now on.
  const nextAt = later(state === 'active' ? at : latest(at, now), everyMs);
  return { id, at, nextAt, everyMs, priceMinor: chargeMinor, terms, facts };
}

const forecastWithoutCharge = ({ kind, autoRenew, isBlocked }: ForecastFacts): Forecast => ({
  kind: kind === 'paid' && autoRenew && !isBlocked ? 'no_price' : 'ends',
});

/**
 * The subscriptions that the balance pays. Each charge takes what it can pay, in the order of the
 * charges. So one pass over all charges until the last end is enough.
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

/** For each unpaid subscription: the amounts that may be charged before it, once it is paid. */
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
    // A paid subscription needs no top-up, so its charge may come as soon as it is due.
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
