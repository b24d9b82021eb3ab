import { remarkAccess } from './access.ts';
import type { Desk } from './command.ts';
import { livePeriods, type Period } from './periods.ts';
import { alter, type Change, type Subscription } from './subscriptions.ts';
import { decideTerms, nextTerms, type Terms, type TermsDecision } from './terms.ts';

// Brings a subscription in line with its periods, after a command changed them.

/** The last terms before the command changed the periods. */
export async function lastTermsOf(desk: Desk, subscription: Subscription): Promise<Terms> {
  return decideTerms(await livePeriods(desk.tx, subscription.id), desk.now, subscription).last;
}

export interface Settled {
  readonly terms: TermsDecision;
  readonly periods: readonly Period[];
}

const noRenewal = { nextPlan: null, nextPeriodDays: null };

/** Reads the periods as they are now, and decides the terms. */
export async function readSettled(desk: Desk, subscription: Subscription): Promise<Settled> {
  const periods = await livePeriods(desk.tx, subscription.id);
  return { periods, terms: decideTerms(periods, desk.now, subscription) };
}

/**
 * Writes the terms that follow from the periods, with the rest of the change. The plan decides
 * where the credential opens: another plan in force marks it. A revoked subscription is never
 * renewed, so it has no terms for a renewal.
 */
export async function settleTerms(
  desk: Desk,
  before: Subscription,
  lastBefore: Terms,
  { terms }: Settled,
  change: Omit<Change, 'plan' | 'periodDays' | 'changesAt' | 'lastDays'>,
): Promise<void> {
  const state = change.state ?? before.state;
  await alter(desk, before, {
    ...terms.inForce,
    ...(state === 'revoked' ? noRenewal : nextTerms(before, lastBefore, terms)),
    ...change,
    changesAt: state === 'active' ? terms.changesAt : null,
    lastDays: terms.last.periodDays,
  });
  if (before.plan !== terms.inForce.plan) await remarkAccess(desk.tx, [before.id], desk.now);
}
