import { replaceCredential } from '../../access/credentials.ts';
import { refused } from '../../kernel/faults.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import type { Caller } from '../store/command-context.ts';
import { recordEvents, toSubscriptionSubject } from '../store/events.ts';
import { requireNotBlocked } from '../store/locked-customer.ts';
import { recordActivity } from '../store/reachability.ts';
import {
  chooseSubscription,
  readCustomerSubscriptions,
  type Subscription,
} from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { readSubscriptionResult, type SubscriptionResult } from './subscription-result.ts';

// The command reissue, for a link that was lost or that too many people have.
//
// The subscription gets a new credential. The same commit marks the removal of the old one on every
// node. Time and money stay as they are.

export interface Reissue {
  readonly telegramId: bigint;
  readonly subscriptionId?: SubscriptionId;
}

/** @throws Fault `blocked`, `not_running`, and the faults of `chooseSubscription` */
export function reissue(caller: Caller, request: Reissue): Promise<SubscriptionResult> {
  return withLockedCustomer(caller, 'reissue', request.telegramId, request, async (context) => {
    await recordActivity(context);
    requireNotBlocked(context.customer);
    const all = await readCustomerSubscriptions(context.tx, context.customer.id);
    const { id, ...subscription } = chooseSubscription(all, request.subscriptionId);
    requireRunning(id, subscription, context.now);
    await replaceCredential(context.tx, id, context.now);
    const event = {
      customerId: context.customer.id,
      subject: toSubscriptionSubject(id),
      action: 'reissued',
      detail: {},
    };
    await recordEvents(context.tx, [event], context.actor, context.now);
    return readSubscriptionResult(context, id, 0n);
  });
}

function requireRunning(
  id: SubscriptionId,
  { state, expiresAt }: Omit<Subscription, 'id'>,
  now: Instant,
): void {
  if (state === 'active' && expiresAt > now) return;
  const reason =
    state === 'revoked'
      ? 'was revoked: a new credential would give no access'
      : `ended at ${isoTime(expiresAt)}: a new credential would give no access; a purchase or a grant revives it`;
  throw refused('not_running', `subscription ${id} ${reason}`);
}
