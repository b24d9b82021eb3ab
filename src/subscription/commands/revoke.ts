import { closeAccess } from '../../access/credentials.ts';
import { refused } from '../../kernel/faults.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, never } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { readPeriods } from '../store/periods.ts';
import { delayRenewals } from '../store/retry-now.ts';
import {
  chooseSubscription,
  readCustomerSubscriptions,
  type Subscription,
  updateSubscription,
} from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { type EndCondition, requireExpectedEnd } from './conditions.ts';
import { computeUnusedMinor, type RefundPart, refundPeriod } from './refund.ts';
import { recordRefund } from './refund-notices.ts';
import {
  readSubscriptionResult,
  recordEvent,
  type SubscriptionResult,
} from './subscription-result.ts';

// The command revoke: ends the access now, and moves no money unless the request asks for it.

export interface Revocation extends EndCondition {
  readonly telegramId: bigint;
  readonly subscriptionId?: SubscriptionId;
  readonly refund?: RefundPart;
  readonly reason: string;
}

/** Ends the access now. @throws Fault `revoked` */
export function revoke(caller: Caller, request: Revocation): Promise<SubscriptionResult> {
  return withLockedCustomer(caller, 'revoke', request.telegramId, request, async (context) => {
    const all = await readCustomerSubscriptions(context.tx, context.customer.id);
    const subscription = chooseSubscription(all, request.subscriptionId);
    requireExpectedEnd(subscription, request);
    if (subscription.state === 'revoked') {
      throw refused('revoked', `subscription ${subscription.id} was revoked already`);
    }
    const { refundedMinor, expiresAt } = await refundRemaining(
      context,
      subscription,
      request.refund,
    );
    const change = { state: 'revoked', expiresAt, nextTryAt: never, changesAt: null } as const;
    await updateSubscription(context, subscription, change);
    await closeAccess(context.tx, [subscription.id], context.now);
    if (refundedMinor > 0n)
      await delayRenewals(context.tx, context.customer.id, context.now, context.settings);
    const detail = {
      reason: request.reason,
      plan: subscription.plan,
      refunded: majorUnits(refundedMinor, context.customer.currency),
    };
    // The notification leaves out the reason, which is for the operator.
    await recordEvent(context, subscription.id, 'revoked', detail, {
      kind: 'revoke',
      dedupeKey: `revoke:${subscription.id}`,
      params: { plan: subscription.plan },
    });
    return readSubscriptionResult(context, subscription.id, refundedMinor);
  });
}

/** Refunds the charged periods that are not over, also those that a grant follows. */
async function refundRemaining(
  context: CommandContext,
  subscription: Subscription,
  part: RefundPart | undefined,
): Promise<{ refundedMinor: bigint; expiresAt: Instant }> {
  if (part === undefined) return { refundedMinor: 0n, expiresAt: subscription.expiresAt };
  let refundedMinor = 0n;
  for (const period of await readPeriods(context.tx, subscription.id)) {
    if (period.endsAt <= context.now || period.ledgerEntryId === null) continue;
    const minor = part === 'whole' ? period.amountMinor : computeUnusedMinor(period, context.now);
    await refundPeriod(context, period, minor);
    await recordRefund(context, subscription.id, period, minor, null);
    refundedMinor += minor;
  }
  const [last] = await readPeriods(context.tx, subscription.id);
  return { refundedMinor, expiresAt: last?.endsAt ?? subscription.startedAt };
}
