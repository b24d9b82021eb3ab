import { sql } from 'kysely';
import { openAccess } from '../../access/credentials.ts';
import { unnest } from '../../db/unnest.ts';
import { type Instant, isoTime, latest } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { enqueueNotifications } from '../../outbox/outbox.ts';
import { endRemindersMs, trialRemindersMs } from '../../outbox/reminder-schedule.ts';
import { readEarlyCharges, readEarlyEnds } from '../store/clock-effects.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { recordEvents, toSubscriptionSubject } from '../store/events.ts';
import { readPeriods } from '../store/periods.ts';
import { retryRenewalsNow } from '../store/retry-now.ts';
import { readSubscriptionById, type Subscription } from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { refundPeriod } from './refund.ts';
import { recordRefund } from './refund-notices.ts';
import { readSettledTerms, settleTerms } from './settle.ts';

// The command that undoes the effects of a wrong clock on one customer (`clock-effects.ts`).
//
// 1. Early renewals are refunded, the last one first. The end of the subscription follows, and
//    auto-renewal stays as it is. An early renewal stays if another period follows it.
// 2. Subscriptions that expired early are active until their end, with their last credential. The
//    customer is notified, because the notification of the end may have been sent.
// 3. Notifications about ends that are still far away came too early. Pending ones are not sent,
//    and none of them blocks the same notification at its time.
//
// Each step reads its evidence under the lock of the customer. So a repetition changes nothing.

export type ClockUndoResult = {
  readonly telegram_id: number;
  readonly refunded_periods: number;
  readonly refunded: string;
  readonly restored: number;
  readonly balance: string;
  readonly currency: string;
};

export function undoClock(caller: Caller, telegramId: bigint): Promise<ClockUndoResult> {
  return withLockedCustomer(caller, 'clock-undo', telegramId, {}, async (context) => {
    const before = context.customer.balanceMinor;
    const refunded = await refundEarlyCharges(context);
    const restored = await restoreEarlyEnds(context);
    if (refunded + restored > 0) {
      await releaseEarlyNotices(context);
      await retryRenewalsNow(context.tx, context.customer.id, context.now, context.settings);
    }
    const { currency, balanceMinor } = context.customer;
    return {
      telegram_id: Number(telegramId),
      refunded_periods: refunded,
      refunded: majorUnits(balanceMinor - before, currency),
      restored,
      balance: majorUnits(balanceMinor, currency),
      currency,
    };
  });
}

/** @returns the number of periods */
async function refundEarlyCharges(context: CommandContext): Promise<number> {
  const { tx, now, customer, settings } = context;
  const charges = await readEarlyCharges(tx, now, settings.windowMs, customer.id);
  let refunded = 0;
  for (const { periodId, subscriptionId, amountMinor } of charges) {
    const [last] = await readPeriods(tx, subscriptionId);
    if (last === undefined || last.id !== periodId) continue;
    const subscription = await readSubscriptionById(tx, subscriptionId);
    await refundPeriod(context, last, amountMinor);
    // The workers decide about an end that has passed meanwhile. They renew it if the balance
    // covers it.
    const expiresAt = await settleSubscription(context, subscription, {});
    await recordRefund(context, subscriptionId, last, amountMinor, latest(expiresAt, now));
    refunded += 1;
  }
  return refunded;
}

/**
 * Updates terms and end by the periods. The chosen terms of the next renewal stay. @returns the end
 */
async function settleSubscription(
  context: CommandContext,
  subscription: Subscription,
  change: { readonly state?: 'active' },
): Promise<Instant> {
  const settled = await readSettledTerms(context, subscription);
  const expiresAt = settled.periods[0]?.endsAt ?? subscription.startedAt;
  const fullChange = { ...change, expiresAt, nextTryAt: null };
  await settleTerms(context, subscription, settled.terms.last, settled, fullChange);
  return expiresAt;
}

/** @returns the number of subscriptions */
async function restoreEarlyEnds(context: CommandContext): Promise<number> {
  const { tx, now, customer, actor } = context;
  const ended = await readEarlyEnds(tx, now, customer.id);
  for (const { subscriptionId, plan, expiresAt } of ended) {
    const subscription = await readSubscriptionById(tx, subscriptionId);
    await settleSubscription(context, subscription, { state: 'active' });
    await openAccess(tx, [subscriptionId], now);
    await enqueueNotifications(
      tx,
      [
        {
          customerId: customer.id,
          subscriptionId,
          kind: 'restored',
          dedupeKey: `restored:${subscriptionId}:${now}`,
          params: { plan, ends_at: isoTime(expiresAt) },
        },
      ],
      now,
    );
    const subject = toSubscriptionSubject(subscriptionId);
    const event = { customerId: customer.id, subject, action: 'restored', detail: {} };
    await recordEvents(tx, [event], actor, now);
  }
  return ended.length;
}

/** Per kind: the earliest time before an end at which a notification about it is sent. */
const leadsMs: Readonly<Record<string, number>> = {
  expired: 0,
  trial_ended: 0,
  trial_ending: trialRemindersMs.trial_ending,
  ...endRemindersMs,
};

/**
 * Releases notifications of the customer about an end that is further away than their earliest
 * time.
 */
async function releaseEarlyNotices({ tx, now, customer, settings }: CommandContext): Promise<void> {
  const leadByKind = Object.entries({ ...leadsMs, low_balance: settings.windowMs });
  await sql`
    UPDATE perennial.notification n SET dedupe_key = n.dedupe_key || ':undone:' || n.id,
      state = CASE n.state WHEN 'pending' THEN 'suppressed' ELSE n.state END,
      reason = CASE n.state WHEN 'pending' THEN 'clock_undone' ELSE n.reason END
    FROM ${unnest('lead', leadByKind, {
      kind: ['text', ([kind]) => kind],
      ms: ['bigint', ([, ms]) => ms],
    })}
    WHERE n.customer_id = ${customer.id} AND n.kind = lead.kind
      AND n.dedupe_key NOT LIKE '%:undone:%'
      AND (n.params->>'expires_at')::timestamptz
        > ${isoTime(now)}::timestamptz + lead.ms * interval '1 ms'`.execute(tx);
}
