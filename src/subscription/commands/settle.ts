import { markSubscriptions } from '../../access/credentials.ts';
import { computeNextTerms, decideTerms, type Terms, type TermsDecision } from '../rules/terms.ts';
import type { CommandContext } from '../store/command-context.ts';
import { type Period, readPeriods } from '../store/periods.ts';
import {
  type Subscription,
  type SubscriptionChange,
  updateSubscription,
} from '../store/subscriptions.ts';

// Updates the terms of a subscription after a command changed its periods.

/** The last terms before the command changed the periods. */
export async function readLastTerms(
  context: CommandContext,
  subscription: Subscription,
): Promise<Terms> {
  return decideTerms(await readPeriods(context.tx, subscription.id), context.now, subscription)
    .last;
}

export interface SettledTerms {
  readonly terms: TermsDecision;
  readonly periods: readonly Period[];
}

const noRenewal = { nextPlan: null, nextPeriodDays: null };

/** Reads the periods after the change, and decides the terms. */
export async function readSettledTerms(
  context: CommandContext,
  subscription: Subscription,
): Promise<SettledTerms> {
  const periods = await readPeriods(context.tx, subscription.id);
  return { periods, terms: decideTerms(periods, context.now, subscription) };
}

/**
 * Writes the terms that follow from the periods, with the rest of the change. Another plan in force
 * marks the credential, because the plan decides which nodes it opens. A revoked subscription is
 * never renewed, so it has no terms for a renewal.
 */
export async function settleTerms(
  context: CommandContext,
  before: Subscription,
  lastBefore: Terms,
  { terms }: SettledTerms,
  change: Omit<SubscriptionChange, 'plan' | 'periodDays' | 'changesAt' | 'lastDays'>,
): Promise<void> {
  const state = change.state ?? before.state;
  await updateSubscription(context, before, {
    ...terms.inForce,
    ...(state === 'revoked' ? noRenewal : computeNextTerms(before, lastBefore, terms)),
    ...change,
    changesAt: state === 'active' ? terms.changesAt : null,
    lastDays: terms.last.periodDays,
  });
  if (before.plan !== terms.inForce.plan)
    await markSubscriptions(context.tx, [before.id], context.now);
}
