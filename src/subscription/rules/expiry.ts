import { dayMs, type Instant, later } from '../../kernel/instant.ts';
import { decideDueRenewal, type RenewalDecision, type RenewalFacts } from './renewal.ts';
import type { Settings } from './settings.ts';

// When a subscription ends (design, fast-expiry-cleanup).
//
// One whose end has come, trial or paid, is ended, unless auto-renewal can pay for it: with
// auto-renew on, the renewal rule is asked first, in the same transaction, and what it can pay is
// renewed. So nobody who has the money is cut off by our downtime or by a tick that came late.
//
// A renewal in quarantine is our fault, not the customer's. The subscription stays active for a day
// after its end, with an alarm, and auto-renewal tries again within that day. Then the rule of
// renewals decides here, in the transaction that would end it: a customer with enough balance is
// renewed. If that renewal cannot be written either, the transaction fails and the subscription
// stays active, in quarantine, until the fault is repaired.
//
// A plan without a price also keeps access for a day. A charge that the spend guard holds keeps it
// until a person confirms the charge (`hourly-limit.ts`).

/** How long our own fault keeps the access of a customer who may not have paid. */
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
  /** A paid period with other terms has begun. */
  | { readonly do: 'change-terms' }
  | { readonly do: 'nothing' };

/** Also for a subscription that ends: the terms of its last period come into force first. */
export function isTermsChangeDue(
  { state, changesAt }: Pick<ExpiryFacts, 'state' | 'changesAt'>,
  now: Instant,
): boolean {
  return state === 'active' && changesAt !== null && changesAt <= now;
}

/** What becomes of a subscription whose end may have come. Total. */
export function decideExpiry(facts: ExpiryFacts, now: Instant, settings: Settings): ExpiryDecision {
  if (facts.state !== 'active') return { do: 'nothing' };
  if (facts.expiresAt > now)
    return { do: isTermsChangeDue(facts, now) ? 'change-terms' : 'nothing' };
  if (facts.kind !== 'paid' || !facts.autoRenew) return { do: 'end' };
  const until = later(facts.expiresAt, graceMs);
  if (facts.isQuarantined && now < until) return { do: 'hold', until };
  const decision = decideDueRenewal(facts, now, settings);
  switch (decision.do) {
    case 'renew':
      return decision;
    case 'quarantine':
      return now < until ? { do: 'hold', until } : { do: 'end' };
    case 'wait-for-money':
    case 'give-up':
    case 'nothing':
      return { do: 'end' };
  }
}
