import type { SubscriptionId } from '../../kernel/ids.ts';
import { earliest, type Instant, later, latest } from '../../kernel/instant.ts';
import type { Forecast, ForecastFacts } from './forecast.ts';
import { isLateCharge } from './hourly-limit.ts';
import { computePriceMinor } from './price.ts';
import { computeCharge, computeChargeTime } from './price-cap.ts';
import { computeDueAt, isTooLate } from './renewal.ts';
import type { Settings, SpendLimits } from './settings.ts';
import { type HoldReason, isChargeAboveLimit } from './spend-limit.ts';

// The next charge of a subscription: when it comes, how much, and its cause.
//
// The causes are those of the rules of renewal and expiry, in their order:
//
// 1. A revoked subscription, a trial, auto-renewal that is off, and a blocked customer have no
//    charge.
// 2. An ended subscription is charged only after a payment within the days of revival.
// 3. A charge that is due does not take place while the time is suspect.
// 4. Without a price, and in quarantine, the charge waits for the next attempt.
// 5. A balance that is too low waits for the next attempt, at the latest at the end.
// 6. The spend guard holds a charge that is due: of a run that is too large, with a price that is
//    too high, or if too many are late. Then it holds the later charges of the customer too.
// 7. A charge is not due before `renewal.window`, and not before the last period has begun.

export interface ChargeFacts extends ForecastFacts {
  /** The plan of the next period. */
  readonly plan: string;
  readonly nextTryAt: Instant | null;
  readonly wokenAt: Instant | null;
  /** Start of the last period that is not refunded. */
  readonly lastStartsAt: Instant | null;
  /** The highest earlier price of the next period (`spend-limit.ts`, rule 5). */
  readonly earlierMinor: bigint | null;
  /** The renewal is in quarantine. */
  readonly quarantine: { readonly reason: string; readonly retryAt: Instant } | null;
}

/** The conditions of all charges now. */
export interface ChargeContext {
  readonly now: Instant;
  readonly rules: Pick<Settings, 'vipPercent' | 'windowMs' | 'noticeMs' | 'reviveMs'>;
  /** Why the time of the database is suspect; null: it is trusted. */
  readonly suspectReason: string | null;
  /** Null: no charge is due. */
  readonly guard: GuardState | null;
}

/** The state of the spend guard. */
export interface GuardState {
  /** For these reasons the last complete run of auto-renewal held charges. */
  readonly reasons: ReadonlySet<HoldReason>;
  readonly limits: SpendLimits;
}

export type ChargeCause =
  | { readonly kind: 'no_subscription' }
  | { readonly kind: 'revoked' }
  | { readonly kind: 'trial'; readonly endsAt: Instant }
  | { readonly kind: 'auto_renew_off'; readonly endsAt: Instant }
  | { readonly kind: 'blocked' }
  /** Ended, and the days of revival are over. */
  | { readonly kind: 'revival_over'; readonly endedAt: Instant }
  /** Ended. A payment until then revives it. */
  | { readonly kind: 'waits_for_payment'; readonly endedAt: Instant; readonly until: Instant }
  /** A payment came after the end. */
  | { readonly kind: 'revival_due'; readonly endedAt: Instant }
  | { readonly kind: 'clock_suspect'; readonly reason: string }
  | {
      readonly kind: 'no_price';
      readonly plan: string;
      readonly periodDays: number;
      /** Of a renewal in quarantine. */
      readonly retryAt: Instant | null;
    }
  | { readonly kind: 'quarantined'; readonly reason: string; readonly retryAt: Instant }
  | { readonly kind: 'held_by_guard'; readonly reason: HoldReason }
  | {
      readonly kind: 'short';
      readonly endsAt: Instant;
      readonly missingMinor: bigint;
      /** The amount that other subscriptions take first. */
      readonly othersMinor: bigint;
    }
  /** A refund postponed the attempt. */
  | { readonly kind: 'waits_for_next_try'; readonly nextTryAt: Instant }
  | { readonly kind: 'too_early'; readonly dueAt: Instant }
  | { readonly kind: 'due'; readonly endsAt: Instant }
  | { readonly kind: 'covered'; readonly endsAt: Instant; readonly dueAt: Instant };

export interface PredictedCharge {
  /** Null for a customer without a subscription. */
  readonly subscriptionId: SubscriptionId | null;
  /** The earliest time of the charge; null: there is none. */
  readonly at: Instant | null;
  /** Null without a charge, and without a price. */
  readonly chargeMinor: bigint | null;
  /** The top-up that the charge requires; 0 if the balance covers it. */
  readonly missingMinor: bigint;
  readonly cause: ChargeCause;
}

const toNoCharge = (facts: ChargeFacts, cause: ChargeCause): PredictedCharge => ({
  subscriptionId: facts.subscriptionId,
  at: null,
  chargeMinor: null,
  missingMinor: 0n,
  cause,
});

/**
 * The next charges of all subscriptions of one customer. Total: every input has one cause.
 * @param all in the order of the ends
 * @param forecasts of the active ones
 */
export function predictCharges(
  all: readonly ChargeFacts[],
  forecasts: ReadonlyMap<SubscriptionId, Forecast>,
  context: ChargeContext,
): PredictedCharge[] {
  let revivalsMinor = 0n;
  let held: Extract<ChargeCause, { kind: 'held_by_guard' }> | undefined;
  return all.map((facts) => {
    const { subscriptionId, kind, state, autoRenew, expiresAt: endsAt } = facts;
    if (state === 'revoked') return toNoCharge(facts, { kind: 'revoked' });
    if (kind === 'trial') return toNoCharge(facts, { kind: 'trial', endsAt });
    if (!autoRenew) return toNoCharge(facts, { kind: 'auto_renew_off', endsAt });
    if (facts.isBlocked) return toNoCharge(facts, { kind: 'blocked' });
    const forecast = forecasts.get(subscriptionId);
    if (state === 'active') {
      const renewal = predictRenewal(facts, forecast, context);
      if (renewal.cause.kind === 'held_by_guard') held ??= renewal.cause;
      return held !== undefined && renewal.cause.kind === 'due'
        ? { ...renewal, cause: held }
        : renewal;
    }
    const predicted = predictRevival(facts, revivalsMinor, context);
    revivalsMinor += predicted.chargeMinor ?? 0n;
    return predicted;
  });
}

function computeChargeMinor(facts: ForecastFacts, { now, rules }: ChargeContext): bigint | null {
  if (facts.listMinor === null) return null;
  const priceMinor = computePriceMinor(facts.listMinor, facts, rules.vipPercent);
  const at = computeChargeTime({ ...facts, ...rules }, now);
  return computeCharge(priceMinor, facts.prices, at, rules.noticeMs).chargeMinor;
}

/** Statement 2. @param earlierMinor what earlier revivals of the customer take first */
function predictRevival(
  facts: ChargeFacts,
  earlierMinor: bigint,
  context: ChargeContext,
): PredictedCharge {
  const { now, rules } = context;
  const { expiresAt: endedAt, nextTryAt, plan, periodDays, balanceMinor } = facts;
  // An earlier payment does not count while the subscription waits for another one.
  const wokenAt = nextTryAt === null ? facts.wokenAt : null;
  if (isTooLate({ expiresAt: endedAt, wokenAt }, now, rules))
    return toNoCharge(facts, { kind: 'revival_over', endedAt });
  const chargeMinor = computeChargeMinor(facts, context);
  if (chargeMinor === null) {
    return toNoCharge(facts, { kind: 'no_price', plan, periodDays, retryAt: null });
  }
  const lackMinor = earlierMinor + chargeMinor - balanceMinor;
  const missingMinor = lackMinor > 0n ? lackMinor : 0n;
  const base = { subscriptionId: facts.subscriptionId, chargeMinor, missingMinor };
  if (nextTryAt === null && missingMinor === 0n)
    return { ...base, at: now, cause: { kind: 'revival_due', endedAt } };
  const until = later(endedAt, rules.reviveMs);
  return { ...base, at: null, cause: { kind: 'waits_for_payment', endedAt, until } };
}

function predictRenewal(
  facts: ChargeFacts,
  forecast: Forecast | undefined,
  context: ChargeContext,
): PredictedCharge {
  const { now, rules } = context;
  const dueAt = computeDueAt(facts, rules);
  const missingMinor = forecast?.kind === 'short' ? forecast.missingMinor : 0n;
  const chargeMinor = computeChargeMinor(facts, context);
  const predicted = { subscriptionId: facts.subscriptionId, chargeMinor, missingMinor };
  const cause = findCause({ ...facts, chargeMinor }, forecast, dueAt, context);
  return { ...predicted, at: latest(now, latest(dueAt, findWaitEnd(cause) ?? dueAt)), cause };
}

/** Statements 3 to 7. */
function findCause(
  facts: ChargeFacts & Pick<PredictedCharge, 'chargeMinor'>,
  forecast: Forecast | undefined,
  dueAt: Instant,
  { now, rules, suspectReason, guard }: ChargeContext,
): ChargeCause {
  const { expiresAt: endsAt, nextTryAt, quarantine, plan, periodDays } = facts;
  const isDue = dueAt <= now;
  if (isDue && suspectReason !== null) return { kind: 'clock_suspect', reason: suspectReason };
  if (facts.listMinor === null)
    return { kind: 'no_price', plan, periodDays, retryAt: quarantine?.retryAt ?? null };
  if (quarantine !== null) return { kind: 'quarantined', ...quarantine };
  if (forecast?.kind === 'short') {
    const { missingMinor, othersMinor } = forecast;
    return { kind: 'short', endsAt, missingMinor, othersMinor };
  }
  if (nextTryAt !== null && nextTryAt > now && nextTryAt > dueAt)
    return { kind: 'waits_for_next_try', nextTryAt: limitToEnd(nextTryAt, endsAt, now) };
  if (isDue) {
    const reason = guard === null ? undefined : findHoldReason(facts, guard, now);
    return reason === undefined ? { kind: 'due', endsAt } : { kind: 'held_by_guard', reason };
  }
  if (dueAt > later(endsAt, -rules.windowMs)) return { kind: 'too_early', dueAt };
  return { kind: 'covered', endsAt, dueAt };
}

/** Why the guard holds a charge that is due, in the order of the guard. */
function findHoldReason(
  facts: ChargeFacts & Pick<PredictedCharge, 'chargeMinor'>,
  { reasons, limits }: GuardState,
  now: Instant,
): HoldReason | undefined {
  if (reasons.has('run')) return 'run';
  if (isChargeAboveLimit(facts.chargeMinor ?? 0n, facts.earlierMinor, limits)) return 'price';
  return reasons.has('late') && isLateCharge(facts, now) ? 'late' : undefined;
}

/** The end decides also before the next attempt (`expiry.ts`, rule 1). */
const limitToEnd = (nextTryAt: Instant, endsAt: Instant, now: Instant): Instant =>
  endsAt > now ? earliest(nextTryAt, endsAt) : nextTryAt;

function findWaitEnd(cause: ChargeCause): Instant | null {
  if (cause.kind === 'no_price' || cause.kind === 'quarantined') return cause.retryAt;
  return cause.kind === 'waits_for_next_try' ? cause.nextTryAt : null;
}

/**
 * The next charge of a customer: the earliest one of the subscriptions. Without any charge, the
 * cause is that of the active subscription that ends first, else of the one that ended last.
 * @param all in the order of the ends
 */
export function chooseNextCharge(
  all: readonly PredictedCharge[],
  facts: readonly ChargeFacts[],
): PredictedCharge {
  const active = new Set(
    facts.flatMap(({ state, subscriptionId }) => (state === 'active' ? [subscriptionId] : [])),
  );
  const charges = all.filter(({ at }) => at !== null);
  const [first] = charges.toSorted((one, other) => (one.at as Instant) - (other.at as Instant));
  const isActive = ({ subscriptionId: id }: PredictedCharge) => id !== null && active.has(id);
  return (
    first ??
    all.find(isActive) ??
    all.at(-1) ?? {
      subscriptionId: null,
      at: null,
      chargeMinor: null,
      missingMinor: 0n,
      cause: { kind: 'no_subscription' },
    }
  );
}
