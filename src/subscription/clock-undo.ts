import { sql } from 'kysely';
import { unnest } from '../db/unnest.ts';
import { type Instant, isoTime, latest } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import { owe } from '../notify/outbox.ts';
import { endRemindersMs, trialRemindersMs } from '../notify/reminder-times.ts';
import { openAccess } from './access.ts';
import { readEarlyCharges, readEarlyEnds } from './clock-effects.ts';
import { type Call, type Desk, forCustomer } from './command.ts';
import { livePeriods } from './periods.ts';
import { tellRefund } from './refund-notices.ts';
import { giveBack } from './refunding.ts';
import { readSettled, settleTerms } from './settle.ts';
import { named, type Subscription, subscriptionsOf } from './subscriptions.ts';
import { ofSubscription, record } from './timeline.ts';
import { tryAgainNow } from './wake.ts';

// Undoes what a wrong clock did to one customer (`clock-effects.ts`), in one transaction:
//
// 1. Early renewals are refunded, the last one first. The end of the subscription follows, and
//    auto-renewal stays as it is. An early renewal that another period follows is left.
// 2. Subscriptions that ended early are active until their end, with their last credential. The
//    customer is notified of that, because the notification of the end may have been sent.
// 3. Notifications about ends that are still far away came too early. Those that wait are not sent,
//    and none of them keeps the same notification from being sent at its time.
//
// Each step reads its evidence under the lock of the customer. So a repetition does nothing.

export type UndoAnswer = {
  readonly telegram_id: number;
  readonly refunded_periods: number;
  readonly refunded: string;
  readonly restored: number;
  readonly balance: string;
  readonly currency: string;
};

export function undoClock(call: Call, telegramId: bigint): Promise<UndoAnswer> {
  return forCustomer(call, 'clock-undo', telegramId, {}, async (desk) => {
    const before = desk.customer.balanceMinor;
    const refunded = await refundEarly(desk);
    const restored = await restoreEnded(desk);
    if (refunded + restored > 0) {
      await releaseEarlyNotices(desk);
      await tryAgainNow(desk.tx, desk.customer.id, desk.now, desk.settings);
    }
    const { currency, balanceMinor } = desk.customer;
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

/** @returns how many periods */
async function refundEarly(desk: Desk): Promise<number> {
  const { tx, now, customer, settings } = desk;
  const early = await readEarlyCharges(tx, now, settings.windowMs, customer.id);
  let refunded = 0;
  for (const { periodId, subscriptionId, amountMinor } of early) {
    const [last] = await livePeriods(tx, subscriptionId);
    if (last === undefined || last.id !== periodId) continue;
    const subscription = named(await subscriptionsOf(tx, customer.id), subscriptionId);
    await giveBack(desk, last, amountMinor);
    // An end that has passed meanwhile is decided by the workers: they renew it if there is money.
    const expiresAt = await settle(desk, subscription, {});
    await tellRefund(desk, subscriptionId, last, amountMinor, latest(expiresAt, now));
    refunded += 1;
  }
  return refunded;
}

/**
 * Brings terms and end in line with the periods. The terms of the next renewal stay as they were
 * chosen. @returns the end
 */
async function settle(
  desk: Desk,
  subscription: Subscription,
  change: { readonly state?: 'active' },
): Promise<Instant> {
  const settled = await readSettled(desk, subscription);
  const expiresAt = settled.periods[0]?.endsAt ?? subscription.startedAt;
  const whole = { ...change, expiresAt, nextTryAt: null };
  await settleTerms(desk, subscription, settled.terms.last, settled, whole);
  return expiresAt;
}

/** @returns how many subscriptions */
async function restoreEnded(desk: Desk): Promise<number> {
  const { tx, now, customer, actor } = desk;
  const ended = await readEarlyEnds(tx, now, customer.id);
  for (const { subscriptionId, plan, expiresAt } of ended) {
    const subscription = named(await subscriptionsOf(tx, customer.id), subscriptionId);
    await settle(desk, subscription, { state: 'active' });
    await openAccess(tx, [subscriptionId], now);
    await owe(
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
    const subject = ofSubscription(subscriptionId);
    const event = { customerId: customer.id, subject, action: 'restored', detail: {} };
    await record(tx, [event], actor, now);
  }
  return ended.length;
}

/** How long before an end the notifications about it are sent at the earliest. */
const leadsMs: Readonly<Record<string, number>> = {
  expired: 0,
  trial_ended: 0,
  trial_ending: trialRemindersMs.trial_ending,
  ...endRemindersMs,
};

/** Notifications of the customer about an end that is further away than they are sent at the earliest. */
async function releaseEarlyNotices({ tx, now, customer, settings }: Desk): Promise<void> {
  const leads = Object.entries({ ...leadsMs, low_balance: settings.windowMs });
  await sql`
    UPDATE perennial.notification n SET dedupe_key = n.dedupe_key || ':undone:' || n.id,
      state = CASE n.state WHEN 'pending' THEN 'suppressed' ELSE n.state END,
      reason = CASE n.state WHEN 'pending' THEN 'clock_undone' ELSE n.reason END
    FROM ${unnest('lead', leads, {
      kind: ['text', ([kind]) => kind],
      ms: ['bigint', ([, ms]) => ms],
    })}
    WHERE n.customer_id = ${customer.id} AND n.kind = lead.kind
      AND n.dedupe_key NOT LIKE '%:undone:%'
      AND (n.params->>'expires_at')::timestamptz
        > ${isoTime(now)}::timestamptz + lead.ms * interval '1 ms'`.execute(tx);
}
