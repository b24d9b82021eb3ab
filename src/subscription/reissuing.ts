import { refused } from '../kernel/faults.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime } from '../kernel/instant.ts';
import { exchangeAccess } from './access.ts';
import { type Call, forCustomer } from './command.ts';
import { type RightsAnswer, rights } from './granting.ts';
import { heardOf } from './hearing.ts';
import { pick, type Subscription, subscriptionsOf } from './subscriptions.ts';
import { ofSubscription, record } from './timeline.ts';

// A link that was lost, or that too many know: the customer gets a new credential, and the old one
// is on its way out of every node with the same commit. Time and money stay as they are.

export interface Reissue {
  readonly telegramId: bigint;
  readonly subscriptionId?: SubscriptionId;
}

/** @throws Fault `not_running`, and as `pick` */
export function reissue(call: Call, request: Reissue): Promise<RightsAnswer> {
  return forCustomer(call, 'reissue', request.telegramId, request, async (desk) => {
    await heardOf(desk);
    const all = await subscriptionsOf(desk.tx, desk.customer.id);
    const { id, ...subscription } = pick(all, request.subscriptionId);
    refuseEnded(id, subscription, desk.now);
    await exchangeAccess(desk.tx, id, desk.now);
    const event = {
      customerId: desk.customer.id,
      subject: ofSubscription(id),
      action: 'reissued',
      detail: {},
    };
    await record(desk.tx, [event], desk.actor, desk.now);
    return rights(desk, id, 0n);
  });
}

function refuseEnded(
  id: SubscriptionId,
  { state, expiresAt }: Omit<Subscription, 'id'>,
  now: Instant,
): void {
  if (state === 'active' && expiresAt > now) return;
  const why =
    state === 'revoked'
      ? 'was revoked: there is no access that a new credential could give'
      : `ended at ${isoTime(expiresAt)}: there is no access that a new credential could give; a purchase or a grant revives it`;
  throw refused('not_running', `subscription ${id} ${why}`);
}
