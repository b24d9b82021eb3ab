import type { SubscriptionKind, SubscriptionState } from '../../db/schema.ts';
import { dayMs, earliest, type Instant, later, latest, never } from '../../kernel/instant.ts';
import { computePrice, type Discount } from './price.ts';
import { computeCharge, type KnownPrices } from './price-cap.ts';
import type { Settings } from './settings.ts';

// When a subscription is renewed, and what is charged (design, auto-renewal).
//
// A paid subscription with auto-renew is due from 6 hours before its end, and stays due when the
// end is past, as long as nobody ended it: what the balance can pay is renewed, also late. If the
// balance covers the price, the next period starts where the last one ends, so that no day is
// lost or given away; when a whole period has gone by since, it starts now, since nobody pays for
// a period that is over. If the balance is short, nothing is charged: the customer hears of it
// once a period, and the next try is in an hour, at the latest at the end itself.
//
// An expired subscription that is paid for within 7 days is revived from now on, because the days in
// between were not served. The time of the payment counts, also if the run comes later. After that
// it stays ended until a purchase. A run after the 7 days counts only the money that came within
// them. With `renewal.revive: 0` nothing is revived.
//
// A renewal takes no more than an amount that the customer knows (`price-cap.ts`).
//
// A plan or period without a price in the customer's currency is never guessed: it goes to
// quarantine, with an alarm.

/** What the rule reads. Every field is there, or it doesn't compile (matrix R8). */
export interface RenewalFacts extends Discount {
  readonly kind: SubscriptionKind;
  readonly state: SubscriptionState;
  readonly autoRenew: boolean;
  readonly expiresAt: Instant;
  readonly nextTryAt: Instant | null;
  /** When a payment made an ended subscription due; null in rows of older programs. */
  readonly wokenAt: Instant | null;
  /**
   * Of an ended subscription after the days of revival: the money that came within them and is not
   * spent. Null: the whole balance counts.
   */
  readonly inTimeMinor: bigint | null;
  /** Of the period to come: the plan that was chosen for it, else the one that runs. */
  readonly periodDays: number;
  readonly balanceMinor: bigint;
  /** Start of the last period that is not refunded; null if it is known to have begun. */
  readonly lastStartsAt: Instant | null;
  /** The list price valid now for plan, period and currency; null where there is none. */
  readonly listMinor: bigint | null;
  /** What the customer knows about that price; it limits the charge (`price-cap.ts`). */
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
  /** Expired longer ago than it can be revived: out of the due ones until somebody pays. */
  | { readonly do: 'give-up' }
  | { readonly do: 'nothing' };

/**
 * Renewals charge at most one period ahead: never before the last period has begun, and never
 * earlier than half a period before the end.
 */
function isTooEarly(facts: RenewalFacts, now: Instant): boolean {
  const { lastStartsAt, expiresAt, periodDays } = facts;
  if (lastStartsAt !== null && lastStartsAt > now) return true;
  return expiresAt > later(now, Math.floor((periodDays * dayMs) / 2));
}

/** Whether auto-renewal should look at it at all, with the predicate of the due index. */
export function isRenewalDue(facts: RenewalFacts, now: Instant, settings: Settings): boolean {
  if (facts.kind !== 'paid' || !facts.autoRenew) return false;
  switch (facts.state) {
    case 'active':
      return (
        facts.expiresAt <= later(now, settings.windowMs) &&
        !isTooEarly(facts, now) &&
        (facts.nextTryAt === null || facts.nextTryAt <= now)
      );
    case 'expired':
      return facts.nextTryAt === null;
    case 'revoked':
      return false;
  }
}

/** What becomes of a subscription now. Total: every input has one answer. */
export function decideRenewal(
  facts: RenewalFacts,
  now: Instant,
  settings: Settings,
): RenewalDecision {
  if (!isRenewalDue(facts, now, settings)) return { do: 'nothing' };
  return decideDueRenewal(facts, now, settings);
}

/** The same for one that is known to be due; expiry asks it too, whatever `nextTryAt` says. */
export function decideDueRenewal(
  facts: RenewalFacts,
  now: Instant,
  settings: Settings,
): RenewalDecision {
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
  // A clock that went back must not sell time that was sold already.
  const startsAt = isExpired || hasPeriodPassed ? latest(now, facts.expiresAt) : facts.expiresAt;
  const endsAt = later(startsAt, periodMs);
  const charge = { chargeMinor, listMinor, percentOff: discountPercent, capMinor };
  return { do: 'renew', startsAt, endsAt, ...charge };
}

/** The payment counts, not the moment at which a run looks. */
function isTooLate(facts: RenewalFacts, now: Instant, { reviveMs }: Settings): boolean {
  return reviveMs === 0 || later(facts.expiresAt, reviveMs) < (facts.wokenAt ?? now);
}

/** In an hour, at the latest at the end; an ended one waits for money, not for time. */
function computeNextTry(facts: RenewalFacts, now: Instant, settings: Settings): Instant {
  if (facts.state === 'expired') return never;
  const inAnHour = later(now, settings.retryMs);
  return facts.expiresAt > now ? earliest(inAnHour, facts.expiresAt) : inAnHour;
}
