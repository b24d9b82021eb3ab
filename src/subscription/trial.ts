import { sql } from 'kysely';
import { refused } from '../kernel/faults.ts';
import { isoTime } from '../kernel/instant.ts';
import { openAccess } from './access.ts';
import { refuseUnsold } from './buying.ts';
import { type Call, type Desk, forCustomer } from './command.ts';
import { heardOf } from './hearing.ts';
import { addPeriods, periodEnd } from './periods.ts';
import { found, subscriptionsOf } from './subscriptions.ts';
import { ofSubscription, record } from './timeline.ts';

// A trial (design, trial): some days of one plan for nothing, by default
// three, once ever. Not for somebody who has or had a paid subscription: there is nothing left to
// try. It ends by itself; a purchase before that converts it in place (`buying.ts`).

export interface TrialRequest {
  readonly telegramId: bigint;
}

export type TrialAnswer = {
  readonly telegram_id: number;
  readonly subscription_id: number;
  readonly plan: string;
  readonly days: number;
  readonly starts_at: string;
  readonly ends_at: string;
};

/** @throws Fault `no_trial`, `trial_used`, `has_paid`, `no_plan` */
export function startTrial(call: Call, request: TrialRequest): Promise<TrialAnswer> {
  return forCustomer(call, 'trial', request.telegramId, request, async (desk) => {
    await heardOf(desk);
    const { plan, days } = await offered(desk);
    const { tx, customer, now } = desk;
    const expiresAt = periodEnd(now, days);
    const first = { kind: 'trial', plan, periodDays: days, expiresAt, autoRenew: false } as const;
    const subscriptionId = await found(desk, first);
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
      subject: ofSubscription(subscriptionId),
      action: 'trial_started',
      detail: { plan, ends_at: isoTime(expiresAt) },
    };
    await record(tx, [event], desk.actor, now);
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

/** What a trial is now, if the customer may have one. */
async function offered(desk: Desk): Promise<{ plan: string; days: number }> {
  const { trial } = desk.settings;
  if (trial === undefined) {
    throw refused('no_trial', 'there are no trials', '"trial: { plan, days }" and apply make them');
  }
  if (desk.customer.trialUsedAt !== null) {
    throw refused('trial_used', "a customer has one trial, ever, and this one's is used");
  }
  const [known] = await subscriptionsOf(desk.tx, desk.customer.id);
  if (known !== undefined) {
    throw refused(
      'has_paid',
      `a trial is for newcomers; the customer has subscription ${known.id} (${known.kind} ${known.plan}, ${known.state})`,
    );
  }
  await refuseUnsold(desk, trial.plan);
  return trial;
}
