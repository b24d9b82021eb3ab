import type { SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import { dayMs, earliest, type Instant, later, latest, never } from '../../kernel/instant.ts';
import { computePrice, type Discount } from './price.ts';
import { computeCharge, type KnownPrices } from './price-cap.ts';
import type { Settings } from './settings.ts';

// The rule that decides when a subscription is renewed, and its charge (design, auto-renewal).
//
// 1. A paid subscription with auto-renewal is due from `renewal.window` (6 h) before its end. It
//    stays due after the end until it is ended, so a late run still renews it.
// 2. It is never charged more than one period ahead (`computeDueAt`).
// 3. If the balance covers the charge, the next period starts at `expires_at`. So no day is lost or
//    free. If a whole period has passed since then, the next period starts now, because no customer
//    pays for a period that is over.
// 4. If the balance is too low, nothing is charged. The customer gets one notification per period.
//    The next attempt follows after `renewal.retry` (1 h), at the latest at the end.
// 5. An expired subscription is revived by a payment within `renewal.revive` (7 d). The new period
//    starts now. The time of the payment counts, also if the run is later. A run after the 7 days
//    counts only the money that came within them. With `renewal.revive: 0` nothing is revived.
// 6. A renewal takes no more than an amount that the customer knows (`price-cap.ts`).
// 7. A blocked customer is never charged. Unblocking makes the subscription due again.
// 8. A missing price is never guessed. The subscription goes to quarantine, with an alarm.

/** The input of the rule. A missing field does not compile (matrix R8). */
export interface RenewalFacts extends Discount {
  readonly kind: SubscriptionKind;
  readonly isBlocked: boolean;
  readonly state: SubscriptionState;
  readonly autoRenew: boolean;
  readonly expiresAt: Instant;
  readonly nextTryAt: Instant | null;
  /** When a payment made an expired subscription due; null in rows of older programs. */
  readonly wokenAt: Instant | null;
  /**
   * Of an expired subscription after the days of revival: the unspent money that came within them.
   * Null: the whole balance counts.
   */
  readonly inTimeMinor: bigint | null;
  /** The length of the next period: the chosen one, else the present one. */
  readonly periodDays: number;
  readonly balanceMinor: bigint;
  /** Start of the last period that is not refunded; null if it is known to have begun. */
  readonly lastStartsAt: Instant | null;
  /** The list price that is valid now for plan, length and currency; null: there is none. */
  readonly listMinor: bigint | null;
  /** The amounts that the customer knows. They limit the charge (`price-cap.ts`). */
  readonly prices: KnownPrices;
}

export type RenewalDecision =
  | {
      readonly do: 'renew';
      readonly startsAt: Instant;
      readonly endsAt: Instant;
      readonly chargeMinor: bigint;
      /** How the charge was computed. */
      readonly listMinor: bigint;
      readonly percentOff: number;
      /** The amount that limited the charge; null: the charge is the price. */
      readonly capMinor: bigint | null;
    }
  | {
      readonly do: 'wait-for-money';
      readonly priceMinor: bigint;
      readonly missingMinor: bigint;
      readonly nextTryAt: Instant;
    }
  | { readonly do: 'quarantine'; readonly reason: 'no_price' }
  /** The customer is blocked. Unblocking makes the subscription due again. */
  | { readonly do: 'wait-for-unblock' }
  /** The days of revival are over. The next payment makes the subscription due again. */
  | { readonly do: 'give-up' }
  | { readonly do: 'nothing' };

/**
 * When an active subscription becomes due. A renewal charges at most one period ahead: never before
 * the last period has begun, and never earlier than half a period before the end (rules 1 and 2).
 */
export function computeDueAt(
  { lastStartsAt, expiresAt, periodDays }: DueFacts,
  { windowMs }: Pick<Settings, 'windowMs'>,
): Instant {
  const aheadMs = Math.min(windowMs, Math.floor((periodDays * dayMs) / 2));
  const dueAt = later(expiresAt, -aheadMs);
  return lastStartsAt === null ? dueAt : latest(dueAt, lastStartsAt);
}

export type DueFacts = Pick<RenewalFacts, 'lastStartsAt' | 'expiresAt' | 'periodDays'>;

/** The condition of the index of due subscriptions. */
export function isRenewalDue(facts: RenewalFacts, now: Instant, settings: Settings): boolean {
  if (facts.kind !== 'paid' || !facts.autoRenew) return false;
  switch (facts.state) {
    case 'active':
      return (
        computeDueAt(facts, settings) <= now && (facts.nextTryAt === null || facts.nextTryAt <= now)
      );
    case 'expired':
      return facts.nextTryAt === null;
    case 'revoked':
      return false;
  }
}

/** Decides about a subscription now. Total: every input has one answer. */
export function decideRenewal(
  facts: RenewalFacts,
  now: Instant,
  settings: Settings,
): RenewalDecision {
  if (!isRenewalDue(facts, now, settings)) return { do: 'nothing' };
  return decideDueRenewal(facts, now, settings);
}

/** Decides about a subscription that is due. Expiry calls it without regard to `nextTryAt`. */
export function decideDueRenewal(
  facts: RenewalFacts,
  now: Instant,
  settings: Settings,
): RenewalDecision {
  if (facts.isBlocked) return { do: 'wait-for-unblock' };
  const isExpired = facts.state === 'expired';
  if (isExpired && isTooLate(facts, now, settings)) return { do: 'give-up' };
  if (facts.listMinor === null) return { do: 'quarantine', reason: 'no_price' };

  const { listMinor, discountPercent, amountMinor } = computePrice(
    facts.listMinor,
    facts,
    settings.vipPercent,
  );
  const { chargeMinor, capMinor } = computeCharge(
    amountMinor,
    facts.prices,
    now,
    settings.noticeMs,
  );
  if (isExpired && facts.inTimeMinor !== null && facts.inTimeMinor < chargeMinor)
    return { do: 'give-up' };
  if (facts.balanceMinor < chargeMinor) {
    return {
      do: 'wait-for-money',
      priceMinor: chargeMinor,
      missingMinor: chargeMinor - facts.balanceMinor,
      nextTryAt: computeNextTry(facts, now, settings),
    };
  }
  const periodMs = facts.periodDays * dayMs;
  const hasPeriodPassed = later(facts.expiresAt, periodMs) <= now;
  // A clock that went back must not sell the same time twice.
  const startsAt = isExpired || hasPeriodPassed ? latest(now, facts.expiresAt) : facts.expiresAt;
  const endsAt = later(startsAt, periodMs);
  const charge = { chargeMinor, listMinor, percentOff: discountPercent, capMinor };
  return { do: 'renew', startsAt, endsAt, ...charge };
}

/** The days of revival are over. The time of the payment counts, not that of the run. */
export function isTooLate(
  facts: Pick<RenewalFacts, 'expiresAt' | 'wokenAt'>,
  now: Instant,
  { reviveMs }: Pick<Settings, 'reviveMs'>,
): boolean {
  return reviveMs === 0 || later(facts.expiresAt, reviveMs) < (facts.wokenAt ?? now);
}

/** After `renewal.retry`, at the latest at the end. An expired one waits for a payment. */
function computeNextTry(facts: RenewalFacts, now: Instant, settings: Settings): Instant {
  if (facts.state === 'expired') return never;
  const inAnHour = later(now, settings.retryMs);
  return facts.expiresAt > now ? earliest(inAnHour, facts.expiresAt) : inAnHour;
}
