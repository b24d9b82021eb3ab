import type { SubscriptionKind, SubscriptionState } from '../db/schema.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { dayMs, type Instant, later, latest } from '../kernel/instant.ts';
import type { ExpiryFacts } from '../subscription/rules/expiry.ts';
import type { ForecastFacts } from '../subscription/rules/forecast.ts';
import type { Discount } from '../subscription/rules/price.ts';
import type { KnownPrice } from '../subscription/rules/price-cap.ts';
import type { Settings } from '../subscription/rules/settings.ts';
import type { TermPeriod } from '../subscription/rules/terms.ts';
import type { SubscriptionRenewalFacts } from '../subscription/store/renewal-facts.ts';
import { type DatedPrice, findPriceAt } from './dated-prices.ts';

// The state of one customer in a forecast. A simulation changes it as the workers change rows.

/** The intervals of the workers. Their runs begin at whole multiples, as slots do. */
export interface RunIntervals {
  readonly renewalMs: number;
  readonly expiryMs: number;
  readonly remindersMs: number;
}

export interface SimulatedCustomer extends Discount {
  readonly id: CustomerId;
  readonly telegramId: bigint;
  readonly currency: string;
  readonly isBlocked: boolean;
  balanceMinor: bigint;
  /** The charges of this simulation. */
  spentMinor: bigint;
  /** In the order of their ids. */
  readonly subscriptions: readonly SimulatedSubscription[];
}

/** An item of auto-renewal in quarantine. */
export interface QuarantineState {
  readonly attempts: number;
  readonly retryAt: Instant;
}

export interface SimulatedSubscription {
  readonly id: SubscriptionId;
  readonly kind: SubscriptionKind;
  state: SubscriptionState;
  readonly autoRenew: boolean;
  /** The terms in force. */
  plan: string;
  periodDays: number;
  /** The terms of each further renewal. Only a command changes them. */
  readonly nextPlan: string;
  readonly nextPeriodDays: number;
  /** The list prices of these terms. */
  readonly prices: readonly DatedPrice[];
  expiresAt: Instant;
  nextTryAt: Instant | null;
  remindAt: Instant | null;
  changesAt: Instant | null;
  readonly wokenAt: Instant | null;
  /** Of an expired subscription that is due: the unspent money within the days of revival. */
  readonly inTimeMinor: bigint | null;
  lastStartsAt: Instant | null;
  paidMinor: bigint | null;
  known: readonly KnownPrice[];
  /** The quarantine of auto-renewal. */
  quarantine: QuarantineState | null;
  /** fast-expiry-cleanup does not examine the subscription before this time. */
  expiryFrom: Instant | null;
  /** The periods that decide a change of terms. Only a simulation of notifications needs them. */
  periods: TermPeriod[];
}

const isRenewable = ({ kind, autoRenew }: SimulatedSubscription): boolean =>
  kind === 'paid' && autoRenew;

/** The facts of auto-renewal and of fast-expiry-cleanup at a moment. */
export type SimulatedFacts = SubscriptionRenewalFacts &
  ExpiryFacts & { readonly subscription: SimulatedSubscription };

export function toRenewalFacts(
  subscription: SimulatedSubscription,
  customer: SimulatedCustomer,
  now: Instant,
  { reviveMs }: Settings,
): SimulatedFacts {
  const { expiresAt, state } = subscription;
  const isLateRevival = state === 'expired' && later(expiresAt, reviveMs) < now;
  return {
    subscription,
    subscriptionId: subscription.id,
    customerId: customer.id,
    telegramId: customer.telegramId,
    currency: customer.currency,
    vip: customer.vip,
    discountPercent: customer.discountPercent,
    isBlocked: customer.isBlocked,
    balanceMinor: customer.balanceMinor,
    kind: subscription.kind,
    state,
    autoRenew: subscription.autoRenew,
    expiresAt,
    nextTryAt: subscription.nextTryAt,
    wokenAt: subscription.wokenAt,
    inTimeMinor:
      isLateRevival && subscription.inTimeMinor !== null
        ? subscription.inTimeMinor - customer.spentMinor
        : null,
    periodDays: subscription.nextPeriodDays,
    plan: subscription.nextPlan,
    currentPlan: subscription.plan,
    changesAt: subscription.changesAt,
    lastStartsAt: expiresAt > later(now, dayMs) ? subscription.lastStartsAt : null,
    listMinor: findPriceAt(subscription.prices, now),
    prices: subscription,
    isQuarantined: subscription.quarantine !== null,
  };
}

/** The facts of the forecast that reminders and their relevance use. */
export function toForecastFacts(
  subscription: SimulatedSubscription,
  customer: SimulatedCustomer,
  now: Instant,
  { windowMs }: Settings,
): ForecastFacts {
  const { expiresAt, nextPeriodDays, prices, state, nextTryAt } = subscription;
  const dueAt = later(expiresAt, -windowMs);
  const followingAt = later(dueAt, nextPeriodDays * dayMs);
  return {
    subscriptionId: subscription.id,
    customerId: customer.id,
    vip: customer.vip,
    discountPercent: customer.discountPercent,
    isBlocked: customer.isBlocked,
    balanceMinor: customer.balanceMinor,
    kind: subscription.kind,
    state,
    autoRenew: subscription.autoRenew,
    expiresAt,
    waitsForTopUp: state === 'expired' && nextTryAt !== null,
    periodDays: nextPeriodDays,
    listMinor: findPriceAt(prices, latest(now, dueAt)),
    followingListMinor: findPriceAt(prices, latest(now, followingAt)),
    prices: subscription,
  };
}

/** The first run at or after `at` that is later than `after`. */
export const computeRunAt = (at: Instant, after: Instant, everyMs: number): Instant =>
  (Math.ceil(Math.max(at, after + 1) / everyMs) * everyMs) as Instant;

/** When auto-renewal examines the subscription; undefined: not without a payment. */
export function computeRenewalDueAt(
  subscription: SimulatedSubscription,
  { windowMs }: Settings,
): Instant | undefined {
  if (!isRenewable(subscription)) return undefined;
  const { state, quarantine, expiresAt, lastStartsAt, nextTryAt, nextPeriodDays } = subscription;
  if (quarantine !== null) return quarantine.retryAt;
  if (state === 'expired') return nextTryAt === null ? expiresAt : undefined;
  const halfPeriodMs = Math.floor((nextPeriodDays * dayMs) / 2);
  const dueAt = later(expiresAt, -Math.min(windowMs, halfPeriodMs));
  return latest(latest(dueAt, lastStartsAt ?? dueAt), nextTryAt ?? dueAt);
}
