import { refused } from '../../kernel/faults.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import type { CommandContext } from '../store/command-context.ts';
import {
  chooseSubscription,
  readCustomerSubscriptions,
  type Subscription,
} from '../store/subscriptions.ts';
import { chooseRevivalsToUndo, type Revival, readRevivals } from './revivals.ts';
import { readLastTerms } from './settle.ts';

/** The subscription that a request names. */
export interface TargetRequest {
  readonly plan: string;
  readonly subscriptionId?: SubscriptionId;
  readonly isNew?: boolean;
}

export interface PurchaseTarget {
  /** Undefined for a new subscription. */
  readonly target: Subscription | undefined;
  /** Revivals that the purchase undoes, the latest first (`revivals.ts`). */
  readonly undone: readonly Revival[];
}

/**
 * Finds the subscription of a purchase.
 * @throws Fault `which_subscription`, `no_subscription`, `revoked`, `other_plan`
 */
export async function findTarget(
  context: CommandContext,
  request: TargetRequest,
  priceMinor: bigint,
): Promise<PurchaseTarget> {
  const revivals = await readRevivals(context);
  const missingMinor = priceMinor - context.customer.balanceMinor;
  const target = await chooseTarget(context, request);
  if (target === undefined || !(await isOtherPlan(context, target, request.plan))) {
    return { target, undone: chooseRevivalsToUndo(revivals, missingMinor) };
  }
  const revival = revivals.find(({ subscriptionId }) => subscriptionId === target.id);
  if (revival !== undefined) {
    return { target, undone: chooseRevivalsToUndo(revivals, missingMinor, revival) };
  }
  const { plan } = await readLastTerms(context, target);
  throw refused(
    'other_plan',
    `subscription ${target.id} is paid for plan ${plan}`,
    `change-plan changes it to ${request.plan}, --new buys another one`,
  );
}

async function chooseTarget(
  context: CommandContext,
  request: TargetRequest,
): Promise<Subscription | undefined> {
  if (request.isNew === true) return undefined;
  const all = await readCustomerSubscriptions(context.tx, context.customer.id);
  const requestedId = request.subscriptionId;
  const candidates = all.filter((one) => one.state !== 'revoked');
  if (requestedId === undefined && candidates.length === 0) return undefined;
  const chosen =
    requestedId === undefined
      ? chooseSubscription(candidates, undefined, 'buy another one with --new')
      : chooseSubscription(all, requestedId);
  if (chosen.state === 'revoked') {
    throw refused('revoked', `subscription ${chosen.id} was revoked`, 'buy a new one with --new');
  }
  return chosen;
}

/** A running paid subscription is extended only with its own plan. */
async function isOtherPlan(
  context: CommandContext,
  chosen: Subscription,
  plan: string,
): Promise<boolean> {
  const isRunning = chosen.state === 'active' && chosen.expiresAt > context.now;
  if (chosen.kind !== 'paid' || !isRunning) return false;
  return (await readLastTerms(context, chosen)).plan !== plan;
}
