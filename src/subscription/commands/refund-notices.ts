import type { SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { enqueueNotifications } from '../../outbox/outbox.ts';
import type { CommandContext } from '../store/command-context.ts';
import { recordEvents, toSubscriptionSubject } from '../store/events.ts';
import type { Period } from '../store/periods.ts';

// Notifications and events of periods that were refunded, taken back or ended by a chargeback.

/** Notification and event of a grant that was taken back. */
export async function recordGrantTakenBack(
  context: CommandContext,
  id: SubscriptionId,
  period: Period,
  after: { readonly expiresAt: Instant; readonly state: string },
): Promise<void> {
  await enqueueEndNotification(context, id, period, after);
  const { customer, now } = context;
  const endsAt = isoTime(after.expiresAt);
  if (after.state === 'active') {
    const base = { customerId: customer.id, subscriptionId: id, kind: 'grant_taken_back' } as const;
    const params = { plan: period.plan, ends_at: endsAt };
    const dedupeKey = `grant_taken_back:${id}:${period.id}`;
    await enqueueNotifications(context.tx, [{ ...base, dedupeKey, params }], now);
  }
  const detail = { period_id: period.id, plan: period.plan, ends_at: endsAt };
  const subject = toSubscriptionSubject(id);
  const event = { customerId: customer.id, subject, action: 'grant_taken_back', detail };
  await recordEvents(context.tx, [event], context.actor, now);
}

/** The notification if a period that was taken back ended access. */
export async function enqueueEndNotification(
  context: CommandContext,
  id: SubscriptionId,
  { plan }: Period,
  { expiresAt, state }: { readonly expiresAt: Instant; readonly state: string },
): Promise<void> {
  if (state !== 'expired') return;
  const base = { customerId: context.customer.id, subscriptionId: id };
  const params = { plan, expires_at: isoTime(expiresAt) };
  const dedupeKey = `expired:${id}:${expiresAt}`;
  await enqueueNotifications(
    context.tx,
    [{ ...base, kind: 'expired', dedupeKey, params }],
    context.now,
  );
}

/**
 * Notification and event of a refund.
 * @param endsAt the new end of access, if it is known already: the notification states the end at
 *   the time of sending
 */
export async function recordRefund(
  context: CommandContext,
  subscriptionId: SubscriptionId,
  period: Period,
  amountMinor: bigint,
  endsAt: Instant | null,
  isPayout = false,
): Promise<void> {
  const { customer, now } = context;
  await enqueueNotifications(
    context.tx,
    [
      {
        customerId: customer.id,
        subscriptionId,
        kind: 'refund',
        dedupeKey: `refund:${period.id}`,
        params: {
          amount: majorUnits(amountMinor, customer.currency),
          currency: customer.currency,
          plan: period.plan,
          balance_after: majorUnits(customer.balanceMinor, customer.currency),
          ends_at: endsAt && isoTime(endsAt),
          paid_out: isPayout ? majorUnits(amountMinor, customer.currency) : null,
        },
      },
    ],
    now,
  );
  const detail = { period_id: period.id, amount_minor: amountMinor };
  await recordEvents(
    context.tx,
    [
      {
        customerId: customer.id,
        subject: toSubscriptionSubject(subscriptionId),
        action: 'refunded',
        detail,
      },
    ],
    context.actor,
    now,
  );
}
