import { refused } from '../../kernel/faults.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import type { Caller } from '../store/command-context.ts';
import { requireNotBlocked } from '../store/locked-customer.ts';
import { stateNextCharge } from '../store/next-charge.ts';
import { recordActivity } from '../store/reachability.ts';
import { checkRemindersNow, retryRenewalsNow } from '../store/retry-now.ts';
import {
  chooseSubscription,
  readCustomerSubscriptions,
  updateSubscription,
} from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { type EndCondition, requireExpectedEnd } from './conditions.ts';
import {
  readSubscriptionResult,
  recordEvent,
  type SubscriptionResult,
} from './subscription-result.ts';

export interface AutoRenewSwitch extends EndCondition {
  readonly telegramId: bigint;
  readonly subscriptionId?: SubscriptionId;
  readonly on: boolean;
}

export type SwitchAnswer = SubscriptionResult & {
  /** The earliest charge of the next renewal; null: there is no next renewal. */
  readonly renewal_at: string | null;
  /** The charge of the next renewal. This answer notifies the customer of it. */
  readonly renewal_amount: string | null;
};

/**
 * Switches auto-renewal. Workers never switch it off.
 * @throws Fault `is_trial`, `revoked`, `blocked`
 */
export function setAutoRenew(caller: Caller, request: AutoRenewSwitch): Promise<SwitchAnswer> {
  return withLockedCustomer(caller, 'auto-renew', request.telegramId, request, async (context) => {
    await recordActivity(context);
    if (request.on) requireNotBlocked(context.customer);
    const all = await readCustomerSubscriptions(context.tx, context.customer.id);
    const subscription = chooseSubscription(all, request.subscriptionId);
    requireExpectedEnd(subscription, request);
    if (subscription.kind === 'trial') {
      throw refused(
        'is_trial',
        `subscription ${subscription.id} is a trial; trials are not renewed`,
      );
    }
    if (subscription.state === 'revoked') {
      throw refused('revoked', `subscription ${subscription.id} was revoked; it cannot be renewed`);
    }
    await updateSubscription(context, subscription, { autoRenew: request.on });
    const plan = subscription.nextPlan ?? subscription.plan;
    const next = request.on ? await stateNextCharge(context, subscription.id, plan) : null;
    if (request.on) {
      await retryRenewalsNow(context.tx, context.customer.id, context.now, context.settings);
      await checkRemindersNow(context.tx, context.customer.id, context.now);
    }
    const action = request.on ? 'auto_renew_on' : 'auto_renew_off';
    await recordEvent(context, subscription.id, action, { auto_renew: request.on });
    return {
      ...(await readSubscriptionResult(context, subscription.id, 0n)),
      renewal_at: next?.at ?? null,
      renewal_amount: next?.amount ?? null,
    };
  });
}
