import type { SubscriptionState } from '../../db/schema.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { enqueueNotifications, type NewNotice } from '../../outbox/outbox.ts';
import type { CommandContext } from '../store/command-context.ts';
import { recordEvents, toSubscriptionSubject } from '../store/events.ts';
import { readSubscriptionById } from '../store/subscriptions.ts';

// The answer, the event and the notification of a command on one subscription.

type RightsNotification = Extract<NewNotice, { kind: 'grant' | 'revoke' }>;

type WithoutCustomer<N extends NewNotice> = N extends NewNotice
  ? Omit<N, 'customerId' | 'subscriptionId'>
  : never;

export type SubscriptionResult = {
  readonly telegram_id: number;
  readonly subscription_id: number;
  readonly plan: string;
  readonly state: SubscriptionState;
  readonly expires_at: string;
  readonly auto_renew: boolean;
  /** The amount that returned to the balance. */
  readonly refunded: string;
  readonly balance: string;
  readonly currency: string;
};

/** Records the event of a command on a subscription, with its notification. */
export async function recordEvent(
  context: CommandContext,
  id: SubscriptionId,
  action: string,
  detail: Readonly<Record<string, string | number | boolean>>,
  notice?: WithoutCustomer<RightsNotification>,
): Promise<void> {
  const customerId = context.customer.id;
  if (notice !== undefined) {
    await enqueueNotifications(
      context.tx,
      [{ customerId, subscriptionId: id, ...notice }],
      context.now,
    );
  }
  const event = { customerId, subject: toSubscriptionSubject(id), action, detail };
  await recordEvents(context.tx, [event], context.actor, context.now);
}

/** The answer of a command: the subscription as it is after the change. */
export async function readSubscriptionResult(
  context: CommandContext,
  id: SubscriptionId,
  refundedMinor: bigint,
): Promise<SubscriptionResult> {
  const subscription = await readSubscriptionById(context.tx, id);
  const { customer } = context;
  return {
    telegram_id: Number(customer.telegramId),
    subscription_id: Number(id),
    plan: subscription.plan,
    state: subscription.state,
    expires_at: isoTime(subscription.expiresAt),
    auto_renew: subscription.autoRenew,
    refunded: majorUnits(refundedMinor, customer.currency),
    balance: majorUnits(customer.balanceMinor, customer.currency),
    currency: customer.currency,
  };
}
