import { refused } from '../kernel/faults.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import type { Desk } from './command.ts';
import { type Revival, readRevivals, revivalsToUndo } from './revivals.ts';
import { lastTermsOf } from './settle.ts';
import { pick, type Subscription, subscriptionsOf } from './subscriptions.ts';

/** What a purchase names. */
export interface TargetRequest {
  readonly plan: string;
  readonly subscriptionId?: SubscriptionId;
  readonly isNew?: boolean;
}

export interface PurchaseTarget {
  /** Undefined for a new one. */
  readonly target: Subscription | undefined;
  /** Revivals that the purchase undoes, the latest first (`revivals.ts`). */
  readonly undone: readonly Revival[];
}

/**
 * The subscription that a purchase is for.
 * @throws Fault `which_subscription`, `no_subscription`, `revoked`, `other_plan`
 */
export async function findTarget(
  desk: Desk,
  request: TargetRequest,
  priceMinor: bigint,
): Promise<PurchaseTarget> {
  const revivals = await readRevivals(desk);
  const missingMinor = priceMinor - desk.customer.balanceMinor;
  const target = await chooseTarget(desk, request);
  if (target === undefined || !(await isOtherPlan(desk, target, request.plan))) {
    return { target, undone: revivalsToUndo(revivals, missingMinor) };
  }
  const revival = revivals.find(({ subscriptionId }) => subscriptionId === target.id);
  if (revival !== undefined) {
    return { target, undone: revivalsToUndo(revivals, missingMinor, revival) };
  }
  const { plan } = await lastTermsOf(desk, target);
  throw refused(
    'other_plan',
    `subscription ${target.id} is paid for plan ${plan}`,
    `change-plan moves it to ${request.plan}, --new buys another one`,
  );
}

async function chooseTarget(desk: Desk, request: TargetRequest): Promise<Subscription | undefined> {
  if (request.isNew === true) return undefined;
  const all = await subscriptionsOf(desk.tx, desk.customer.id);
  const asked = request.subscriptionId;
  const candidates = all.filter((one) => one.state !== 'revoked');
  if (asked === undefined && candidates.length === 0) return undefined;
  const chosen =
    asked === undefined
      ? pick(candidates, undefined, 'buy another one with --new')
      : pick(all, asked);
  if (chosen.state === 'revoked') {
    throw refused('revoked', `subscription ${chosen.id} was revoked`, 'buy a new one with --new');
  }
  return chosen;
}

/** A running paid subscription is extended only with its own plan. */
async function isOtherPlan(desk: Desk, chosen: Subscription, plan: string): Promise<boolean> {
  const runs = chosen.state === 'active' && chosen.expiresAt > desk.now;
  if (chosen.kind !== 'paid' || !runs) return false;
  return (await lastTermsOf(desk, chosen)).plan !== plan;
}
