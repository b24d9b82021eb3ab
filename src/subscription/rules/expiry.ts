import { dayMs, type Instant, later } from '../../kernel/instant.ts';
import { decideDueRenewal, type RenewalDecision, type RenewalFacts } from './renewal.ts';
import type { Settings } from './settings.ts';

// The rule that decides when a subscription ends (design, fast-expiry-cleanup).
//
// 1. An active subscription ends at `expires_at`. If the balance covers a renewal, it is renewed
//    instead, in the same transaction. So neither our downtime nor a late run cuts off a customer
//    who can pay (promise 4).
// 2. A trial ends, and so does a subscription without auto-renewal, or of a blocked customer.
// 3. If the renewal is in quarantine, the fault is ours. The subscription stays active for 24 h,
//    with an alarm, and auto-renewal tries again. Then rule 1 decides. If that renewal cannot be
//    written either, the transaction fails and the subscription stays active until the fault is
//    repaired.
// 4. Without a price the subscription stays active for 24 h.
// 5. A renewal that the spend guard holds keeps access until a person confirms it
//    (`hourly-limit.ts`).
// 6. A subscription that continues gets new terms when a paid period with other terms starts.

/** How long a fault of ours keeps access without a payment. */
export const graceMs = dayMs;

export interface ExpiryFacts extends RenewalFacts {
  /** The renewal of this subscription is in quarantine. */
  readonly isQuarantined: boolean;
  /** When the next period with other terms starts (`terms.ts`, rule 9). */
  readonly changesAt: Instant | null;
}

export type ExpiryDecision =
  | Extract<RenewalDecision, { do: 'renew' }>
  | { readonly do: 'end' }
  | { readonly do: 'hold'; readonly until: Instant }
  /** A paid period with other terms has started. */
  | { readonly do: 'change-terms' }
  | { readonly do: 'nothing' };

/** True also for a subscription that ends: the terms of its last period come into force first. */
export function isTermsChangeDue(
  { state, changesAt }: Pick<ExpiryFacts, 'state' | 'changesAt'>,
  now: Instant,
): boolean {
  return state === 'active' && changesAt !== null && changesAt <= now;
}

/** Decides about a subscription whose end may have come. Total: every input has one answer. */
export function decideExpiry(facts: ExpiryFacts, now: Instant, settings: Settings): ExpiryDecision {
  if (facts.state !== 'active') return { do: 'nothing' };
  if (facts.expiresAt > now)
    return { do: isTermsChangeDue(facts, now) ? 'change-terms' : 'nothing' };
  if (facts.kind !== 'paid' || !facts.autoRenew || facts.isBlocked) return { do: 'end' };
  const until = later(facts.expiresAt, graceMs);
  if (facts.isQuarantined && now < until) return { do: 'hold', until };
  const decision = decideDueRenewal(facts, now, settings);
  switch (decision.do) {
    case 'renew':
      return decision;
    case 'quarantine':
      return now < until ? { do: 'hold', until } : { do: 'end' };
    case 'wait-for-money':
    case 'wait-for-unblock':
    case 'give-up':
    case 'nothing':
      return { do: 'end' };
  }
}
