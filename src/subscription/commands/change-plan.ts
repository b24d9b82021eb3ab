import { refused } from '../../kernel/faults.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import type { ComputedPrice } from '../rules/price.ts';
import { computeCharge, computeChargeTime } from '../rules/price-cap.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { recordEvents, toSubscriptionSubject } from '../store/events.ts';
import { readKnownPrices, writeChosenPrice } from '../store/known-prices.ts';
import { type Period, readPeriods } from '../store/periods.ts';
import { readPriceList } from '../store/prices.ts';
import { recordActivity } from '../store/reachability.ts';
import { checkRemindersNow, retryRenewalsNow } from '../store/retry-now.ts';
import {
  chooseSubscription,
  readCustomerSubscriptions,
  type Subscription,
  updateSubscription,
} from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { type EndCondition, requireExpectedEnd } from './conditions.ts';
import { chargeAndExtend } from './purchase.ts';
import { requireBalance, requirePrice, requireQuotedPrice } from './purchase-checks.ts';
import { computeUnusedMinor, refundPeriod } from './refund.ts';
import { recordRefund } from './refund-notices.ts';

// The command for a change of plan (design, change of plan).
//
// 1. At the next renewal: the change costs nothing now.
// 2. Now: the unused time is credited as a refund, rounded down, and a new period starts now.
// 3. Granted and imported time has no price. It is dropped only with `forfeit`.

export interface PlanChange extends EndCondition {
  readonly telegramId: bigint;
  readonly subscriptionId?: SubscriptionId;
  readonly plan: string;
  readonly periodDays: number;
  readonly when: 'next' | 'now';
  /** Gives up granted or imported time, which has no price to credit. */
  readonly forfeit?: boolean;
  /** The price that the customer saw. If the price differs, the command is refused. */
  readonly quotedMinor?: bigint;
}

export type PlanChangeResult = {
  readonly telegram_id: number;
  readonly subscription_id: number;
  readonly when: string;
  readonly plan: string;
  readonly period_days: number;
  /** The value of the unused time; `0` at the next renewal. */
  readonly credited: string;
  /** The price of the new period: now, or at the next renewal by the present price list. */
  readonly amount: string;
  readonly balance: string;
  readonly currency: string;
  readonly expires_at: string;
};

/** @throws Fault `not_running`, `is_trial`, `no_price`, `short_balance`, `unpriced_time` */
export function changePlan(caller: Caller, request: PlanChange): Promise<PlanChangeResult> {
  return withLockedCustomer(caller, 'change-plan', request.telegramId, request, async (context) => {
    await recordActivity(context);
    const all = await readCustomerSubscriptions(context.tx, context.customer.id);
    const subscription = chooseSubscription(all, request.subscriptionId);
    requireExpectedEnd(subscription, request);
    requireChangeable(context, subscription);
    const prices = await readPriceList(context.tx, context.now);
    const price = await requirePrice(context, prices, request);
    requireQuotedPrice(context, price.amountMinor, request.quotedMinor);
    if (request.when === 'now') return changeNow(context, request, subscription, price);
    return changeNext(context, request, subscription, price.amountMinor);
  });
}

export function requireChangeable(context: CommandContext, subscription: Subscription): void {
  if (subscription.kind === 'trial') {
    throw refused(
      'is_trial',
      `subscription ${subscription.id} is a trial; a purchase converts it, to any plan`,
    );
  }
  if (subscription.state !== 'active' || subscription.expiresAt <= context.now) {
    throw refused(
      'not_running',
      `subscription ${subscription.id} is not active; a purchase revives it, on any plan`,
    );
  }
}

async function changeNext(
  context: CommandContext,
  request: PlanChange,
  subscription: Subscription,
  priceMinor: bigint,
): Promise<PlanChangeResult> {
  const isSame =
    request.plan === subscription.plan && request.periodDays === subscription.periodDays;
  await updateSubscription(context, subscription, {
    nextPlan: isSame ? null : request.plan,
    nextPeriodDays: isSame ? null : request.periodDays,
  });
  // The new plan may be cheaper than the renewal that the balance could not cover.
  await retryRenewalsNow(context.tx, context.customer.id, context.now, context.settings);
  await checkRemindersNow(context.tx, context.customer.id, context.now);
  const amountMinor = isSame
    ? await readRenewalPriceMinor(context, subscription, priceMinor)
    : await writeChoice(context, request, subscription, priceMinor);
  await recordEvent(context, request, subscription, 'plan_chosen', {});
  return toResult(context, request, subscription, 0n, amountMinor, isoTime(subscription.expiresAt));
}

/** The answer states this amount, so the renewal may take it at once. */
async function writeChoice(
  { tx, customer, now }: CommandContext,
  { plan, periodDays }: PlanChange,
  { id }: Subscription,
  priceMinor: bigint,
): Promise<bigint> {
  const chosen = { customerId: customer.id, subscriptionId: id, plan, periodDays };
  await writeChosenPrice(tx, chosen, priceMinor, now);
  return priceMinor;
}

/** A choice of the same plan is no choice of a new price: the limit of the renewal stays. */
async function readRenewalPriceMinor(
  { tx, now, settings }: CommandContext,
  { id, plan, periodDays, expiresAt }: Subscription,
  priceMinor: bigint,
): Promise<bigint> {
  const known = await readKnownPrices(tx, id, plan, periodDays);
  const renewals = { ...settings, expiresAt, periodDays };
  const { noticeMs } = settings;
  return computeCharge(priceMinor, known, computeChargeTime(renewals, now), noticeMs).chargeMinor;
}

async function changeNow(
  context: CommandContext,
  request: PlanChange,
  subscription: Subscription,
  price: ComputedPrice,
): Promise<PlanChangeResult> {
  const priceMinor = price.amountMinor;
  const { credits, creditedMinor } = await readCredits(context, request, subscription);
  requireBalance(context, priceMinor, context.customer.balanceMinor + creditedMinor);
  const balanceBeforeMinor = context.customer.balanceMinor;
  for (const { period, minor } of credits) {
    await refundPeriod(context, period, minor);
    if (minor > 0n) await recordRefund(context, subscription.id, period, minor, null);
  }
  const purchased = await chargeAndExtend(
    context,
    request,
    { ...subscription, expiresAt: context.now },
    price,
  );
  await updateSubscription(context, subscription, { nextPlan: null, nextPeriodDays: null });
  if (context.customer.balanceMinor > balanceBeforeMinor) {
    await retryRenewalsNow(context.tx, context.customer.id, context.now, context.settings);
  }
  await recordEvent(context, request, subscription, 'plan_changed', {
    credited_minor: creditedMinor,
  });
  return toResult(context, request, subscription, creditedMinor, priceMinor, purchased.ends_at);
}

/** The value of the remaining time. @throws Fault `unpriced_time` */
export async function readCredits(
  context: CommandContext,
  request: Pick<PlanChange, 'forfeit'>,
  subscription: Subscription,
): Promise<{
  readonly credits: readonly { readonly period: Period; readonly minor: bigint }[];
  readonly creditedMinor: bigint;
}> {
  const periods = await readPeriods(context.tx, subscription.id);
  const remaining = periods.filter((period) => period.endsAt > context.now);
  requirePricedTime(remaining, request);
  const credits = remaining.map((period) => ({
    period,
    minor: computeUnusedMinor(period, context.now),
  }));
  return { credits, creditedMinor: credits.reduce((sum, credit) => sum + credit.minor, 0n) };
}

/** Time without a price has no value. It is dropped only with `forfeit`. */
function requirePricedTime(
  remaining: readonly Period[],
  request: Pick<PlanChange, 'forfeit'>,
): void {
  const unpriced = remaining.find((period) => period.ledgerEntryId === null);
  if (unpriced === undefined || request.forfeit === true) return;
  throw refused(
    'unpriced_time',
    `the time until ${isoTime(unpriced.endsAt)} has the source ${unpriced.source}, so it has no price to credit`,
    'change at the next renewal, or drop this time with --forfeit',
  );
}

async function recordEvent(
  context: CommandContext,
  request: PlanChange,
  subscription: Subscription,
  action: string,
  extraDetail: object,
): Promise<void> {
  const detail = {
    from: subscription.plan,
    to: request.plan,
    period_days: request.periodDays,
    ...extraDetail,
  };
  await recordEvents(
    context.tx,
    [
      {
        customerId: context.customer.id,
        subject: toSubscriptionSubject(subscription.id),
        action,
        detail,
      },
    ],
    context.actor,
    context.now,
  );
}

function toResult(
  context: CommandContext,
  request: PlanChange,
  subscription: Subscription,
  creditedMinor: bigint,
  priceMinor: bigint,
  expiresAt: string,
): PlanChangeResult {
  const { customer } = context;
  return {
    telegram_id: Number(customer.telegramId),
    subscription_id: Number(subscription.id),
    when: request.when,
    plan: request.plan,
    period_days: request.periodDays,
    credited: majorUnits(creditedMinor, customer.currency),
    amount: majorUnits(priceMinor, customer.currency),
    balance: majorUnits(customer.balanceMinor, customer.currency),
    currency: customer.currency,
    expires_at: expiresAt,
  };
}
