import { refused } from '../../kernel/faults.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { grantPeriods } from '../batch/grant-periods.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { requireNotBlocked } from '../store/locked-customer.ts';
import { computePeriodEnd } from '../store/periods.ts';
import {
  chooseSubscription,
  createSubscription,
  readCustomerSubscriptions,
  readSubscriptionById,
  type Subscription,
} from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { type EndCondition, requireExpectedEnd } from './conditions.ts';
import { readSubscriptionResult, type SubscriptionResult } from './subscription-result.ts';

// The command grant: a period without a charge, for a new or an existing subscription.

export interface Grant extends EndCondition {
  readonly telegramId: bigint;
  readonly days: number;
  /** The subscription to extend. Default: see `chooseSubscription`. */
  readonly subscriptionId?: SubscriptionId;
  /** A new subscription to this plan, with auto-renewal off. */
  readonly newPlan?: string;
}

/**
 * Extends, revives or creates a subscription without a charge.
 * @throws Fault `blocked`, `revoked`, `no_plan`, …
 */
export function grant(caller: Caller, request: Grant): Promise<SubscriptionResult> {
  return withLockedCustomer(caller, 'grant', request.telegramId, request, async (context) => {
    const { customer } = context;
    requireNotBlocked(customer);
    const existing = await chooseGrantTarget(context, request);
    requireExpectedEnd(existing, request);
    const subscription = existing ?? (await createGiftSubscription(context, request));
    const { days } = request;
    const given = { customer, subscription, isNew: existing === undefined, days };
    await grantPeriods(context, [given]);
    return readSubscriptionResult(context, subscription.id, 0n);
  });
}

async function chooseGrantTarget(
  context: CommandContext,
  request: Grant,
): Promise<Subscription | undefined> {
  if (request.newPlan !== undefined) {
    const plan = await context.tx
      .selectFrom('perennial.plan')
      .select('key')
      .where('key', '=', request.newPlan)
      .executeTakeFirst();
    if (plan === undefined) {
      const hint = 'list them with "perennial plan list"';
      throw refused('no_plan', `plan: "${request.newPlan}" is not a plan`, hint);
    }
    return undefined;
  }
  const subscription = chooseSubscription(
    await readCustomerSubscriptions(context.tx, context.customer.id),
    request.subscriptionId,
  );
  if (subscription.state === 'revoked') {
    throw refused(
      'revoked',
      `subscription ${subscription.id} was revoked`,
      'grant a new one with --plan',
    );
  }
  return subscription;
}

async function createGiftSubscription(
  context: CommandContext,
  { newPlan, days }: Grant,
): Promise<Subscription> {
  const id = await createSubscription(context, {
    kind: 'paid',
    plan: newPlan as string,
    periodDays: days,
    expiresAt: computePeriodEnd(context.now, days),
    autoRenew: false,
  });
  return readSubscriptionById(context.tx, id);
}
