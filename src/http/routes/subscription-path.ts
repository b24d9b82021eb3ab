import type { SubscriptionId } from '../../kernel/ids.ts';
import {
  createNoSubscriptionFault,
  readOwnerTelegramId,
} from '../../subscription/store/subscriptions.ts';
import type { Route, RouteContext } from '../route.ts';
import { bySubscription, byTelegramId, parseSubscriptionIdParam } from '../schemas.ts';

export interface SubscriptionPath {
  readonly id: string;
  /** The customer in the path, if the path names one. */
  readonly telegram_id?: string;
}

/**
 * The subscription of a path and its customer. A subscription of another customer than the one in
 * the path does not exist for the caller. @throws Fault `no_subscription`
 */
export async function readPathSubscription(
  { db }: RouteContext,
  { id, telegram_id }: SubscriptionPath,
): Promise<{ telegramId: bigint; subscriptionId: SubscriptionId }> {
  const subscriptionId = parseSubscriptionIdParam(id);
  const telegramId = await readOwnerTelegramId(db, subscriptionId);
  if (telegram_id === undefined || telegramId === BigInt(telegram_id)) {
    return { telegramId, subscriptionId };
  }
  throw createNoSubscriptionFault(subscriptionId);
}

/** The same route under the customer of the subscription. */
export function addCustomerPath(base: Route): Route {
  return {
    ...base,
    path: base.path.replace('/v1/subscriptions/', '/v1/customers/{telegram_id}/subscriptions/'),
    id: `${base.id}OfCustomer`,
    params: byTelegramId.extend(bySubscription.shape),
  };
}
