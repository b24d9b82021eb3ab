import { sql } from 'kysely';
import { anyOf } from '../../db/unnest.ts';
import type { CustomerId } from '../../kernel/ids.ts';
import type { WriteContext } from '../store/command-context.ts';
import { recordEvents, toSubscriptionSubject } from '../store/events.ts';
import { checkRemindersNow, retryRenewalsNow } from '../store/retry-now.ts';
import type { Subscription } from '../store/subscriptions.ts';

/** Subscriptions of one customer whose row the transaction holds. */
export interface CustomerSwitch {
  readonly customer: { readonly id: CustomerId };
  readonly subscriptions: readonly Subscription[];
}

/**
 * Switches auto-renewal of many customers. Unlike the command, no answer states the next charge to
 * the customer, so a reminder does it before the first charge.
 */
export async function switchAutoRenew(
  { tx, now, settings, actor }: WriteContext,
  switches: readonly CustomerSwitch[],
  isOn: boolean,
): Promise<void> {
  const subscriptions = switches.flatMap((one) =>
    one.subscriptions.map(({ id }) => ({ id, customerId: one.customer.id })),
  );
  const ids = subscriptions.map(({ id }) => id);
  await sql`
    UPDATE perennial.subscription SET auto_renew = ${isOn}
    WHERE id = ${anyOf('bigint', ids)}`.execute(tx);
  if (isOn) {
    for (const { customer } of switches) {
      await retryRenewalsNow(tx, customer.id, now, settings);
      await checkRemindersNow(tx, customer.id, now);
    }
  }
  const events = subscriptions.map(({ id, customerId }) => ({
    customerId,
    subject: toSubscriptionSubject(id),
    action: isOn ? 'auto_renew_on' : 'auto_renew_off',
    detail: { auto_renew: isOn },
  }));
  await recordEvents(tx, events, actor, now);
}
