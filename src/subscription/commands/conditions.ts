import { refused } from '../../kernel/faults.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import type { Subscription } from '../store/subscriptions.ts';

// Conditions of a command: values that the customer saw before the decision.
//
// If a condition no longer holds, the command changes nothing. The other condition is the price
// (`price_changed`).

export interface EndCondition {
  /** The end that the customer saw; null: there was no subscription that the command extends. */
  readonly ifExpiresAt?: Instant | null;
}

/** @throws Fault `expires_at_changed` */
export function requireExpectedEnd(
  subscription: Pick<Subscription, 'id' | 'expiresAt'> | undefined,
  { ifExpiresAt }: EndCondition,
): void {
  if (ifExpiresAt === undefined || (subscription?.expiresAt ?? null) === ifExpiresAt) return;
  const expected = ifExpiresAt === null ? 'a new subscription' : `the end ${isoTime(ifExpiresAt)}`;
  const actual =
    subscription === undefined
      ? 'the command makes a new subscription'
      : `subscription ${subscription.id} ends at ${isoTime(subscription.expiresAt)}`;
  throw refused('expires_at_changed', `${actual}; the condition expects ${expected}`);
}
