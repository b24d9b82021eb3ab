import { dayMs, type Instant, later } from '../kernel/instant.ts';
import { decideDue, type RenewalDecision, type RenewalFacts } from './renewal.ts';
import type { Settings } from './settings.ts';

// When a subscription ends (DESIGN.md 5, "fast-expiry-cleanup").
//
// One whose end has come, trial or paid, is ended, unless auto-renewal can pay for it: with
// auto-renew on, the renewal rule is asked first, in the same transaction, and what it can pay is
// renewed. So nobody who has the money is cut off by our downtime or by a tick that came late.
//
// What auto-renewal could not decide (it is in quarantine, or has no price) is our trouble, not
// the customer's: it stays active for a day after its end, alarmed, and ends then; but not before
// auto-renewal has made the try that is due, for after some days in which nothing ran that may go well.

/** How long our own trouble keeps somebody connected who may not have paid. */
const graceMs = dayMs;

export interface EndingFacts extends RenewalFacts {
  /** When auto-renewal, where it failed by itself, tries it again; null: it is in no quarantine. */
  readonly quarantinedUntil: Instant | null;
  /** When the next period with other terms starts (`terms.ts`, rule 9). */
  readonly changesAt: Instant | null;
}

export type EndingDecision =
  | Extract<RenewalDecision, { do: 'renew' }>
  | { readonly do: 'end' }
  /** `until` is null: until auto-renewal has made a try that is due. */
  | { readonly do: 'hold'; readonly until: Instant | null }
  /** A paid period with other terms has begun. */
  | { readonly do: 'change-terms' }
  | { readonly do: 'nothing' };

/** Also for a subscription that ends: the terms of its last period come into force first. */
export function changeIsDue(
  { state, changesAt }: Pick<EndingFacts, 'state' | 'changesAt'>,
  now: Instant,
): boolean {
  return state === 'active' && changesAt !== null && changesAt <= now;
}

/** What becomes of a subscription whose end may have come. Total. */
export function decideEnding(facts: EndingFacts, now: Instant, settings: Settings): EndingDecision {
  if (facts.state !== 'active') return { do: 'nothing' };
  if (facts.expiresAt > now) return { do: changeIsDue(facts, now) ? 'change-terms' : 'nothing' };
  if (facts.kind !== 'paid' || !facts.autoRenew) return { do: 'end' };
  const until = later(facts.expiresAt, graceMs);
  const { quarantinedUntil } = facts;
  if (quarantinedUntil !== null) {
    if (now < until) return { do: 'hold', until };
    return quarantinedUntil <= now ? { do: 'hold', until: null } : { do: 'end' };
  }
  const decision = decideDue(facts, now, settings);
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
