import { sql } from 'kysely';
import { openAccess } from '../../access/credentials.ts';
import { refused } from '../../kernel/faults.ts';
import { isoTime } from '../../kernel/instant.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { recordEvents, toSubscriptionSubject } from '../store/events.ts';
import { requireNotBlocked } from '../store/locked-customer.ts';
import { addPeriods, computePeriodEnd } from '../store/periods.ts';
import { recordActivity } from '../store/reachability.ts';
import { createSubscription, readCustomerSubscriptions } from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { requirePlanOnSale } from './purchase-checks.ts';

// The command trial (design, trial): some days of one plan without a charge, by default three.
//
// A customer gets one trial, and none after a subscription. It ends without a renewal. A purchase
// before the end converts it (`purchase.ts`).

export interface TrialRequest {
  readonly telegramId: bigint;
}

export type TrialResult = {
  readonly telegram_id: number;
  readonly subscription_id: number;
  readonly plan: string;
  readonly days: number;
  readonly starts_at: string;
  readonly ends_at: string;
};

/** @throws Fault `blocked`, `no_trial`, `trial_used`, `has_paid`, `no_plan` */
export function startTrial(caller: Caller, request: TrialRequest): Promise<TrialResult> {
  return withLockedCustomer(caller, 'trial', request.telegramId, request, async (context) => {
    await recordActivity(context);
    requireNotBlocked(context.customer);
    const { plan, days } = await requireTrialOffer(context);
    const { tx, customer, now } = context;
    const expiresAt = computePeriodEnd(now, days);
    const first = { kind: 'trial', plan, periodDays: days, expiresAt, autoRenew: false } as const;
    const subscriptionId = await createSubscription(context, first);
    await addPeriods(tx, [
      {
        subscriptionId,
        customerId: customer.id,
        source: 'trial',
        plan,
        startsAt: now,
        endsAt: expiresAt,
        amountMinor: 0n,
        currency: customer.currency,
        ledgerEntryId: null,
        periodDays: days,
        listMinor: null,
        discountPercent: null,
      },
    ]);
    await openAccess(tx, [subscriptionId], now);
    await sql`
      UPDATE perennial.customer SET trial_used_at = ${isoTime(now)}
      WHERE id = ${customer.id}`.execute(tx);
    const event = {
      customerId: customer.id,
      subject: toSubscriptionSubject(subscriptionId),
      action: 'trial_started',
      detail: { plan, ends_at: isoTime(expiresAt) },
    };
    await recordEvents(tx, [event], context.actor, now);
    return {
      telegram_id: Number(customer.telegramId),
      subscription_id: Number(subscriptionId),
      plan,
      days,
      starts_at: isoTime(now),
      ends_at: isoTime(expiresAt),
    };
  });
}

/** The present offer, if the customer may have a trial. */
async function requireTrialOffer(context: CommandContext): Promise<{ plan: string; days: number }> {
  const { trial } = context.settings;
  if (trial === undefined) {
    throw refused(
      'no_trial',
      'trials are off',
      'set trial: { plan, days } in the file of "perennial apply"',
    );
  }
  if (context.customer.trialUsedAt !== null) {
    throw refused('trial_used', 'the customer has used the trial; a customer has one trial');
  }
  const [existing] = await readCustomerSubscriptions(context.tx, context.customer.id);
  if (existing !== undefined) {
    throw refused(
      'has_paid',
      `a trial requires a customer without an earlier subscription; the customer has subscription ${existing.id} (${existing.kind} ${existing.plan}, ${existing.state})`,
    );
  }
  await requirePlanOnSale(context, trial.plan);
  return trial;
}
