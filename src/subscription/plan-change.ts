import { refused } from '../kernel/faults.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { isoTime } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import { priceOf, refuseOtherPrice, refuseShort, sell } from './buying.ts';
import { type Call, type Desk, forCustomer } from './command.ts';
import { type EndCondition, requireEnd } from './conditions.ts';
import { heardOf } from './hearing.ts';
import { readKnownPrices, writeChosenPrice } from './known-prices.ts';
import { livePeriods, type Period } from './periods.ts';
import type { ComputedPrice } from './price.ts';
import { chargeAt, chargedAt } from './price-cap.ts';
import { readPriceList } from './price-list.ts';
import { tellRefund } from './refund-notices.ts';
import { giveBack, unusedMinor } from './refunding.ts';
import { alter, pick, type Subscription, subscriptionsOf } from './subscriptions.ts';
import { ofSubscription, record } from './timeline.ts';
import { remindNow, tryAgainNow } from './wake.ts';

// Change of plan (design, change of plan): at the next renewal, which costs nothing now; or now:
// the time that is not used is credited by floor as a refund, and a new period starts now.

export interface PlanChange extends EndCondition {
  readonly telegramId: bigint;
  readonly subscriptionId?: SubscriptionId;
  readonly plan: string;
  readonly periodDays: number;
  readonly when: 'next' | 'now';
  /** Give up time that was a gift or imported, and so has no price to credit. */
  readonly forfeit?: boolean;
  /** What the customer was told that it costs: another price is refused, not charged. */
  readonly quotedMinor?: bigint;
}

export type PlanChangeAnswer = {
  readonly telegram_id: number;
  readonly subscription_id: number;
  readonly when: string;
  readonly plan: string;
  readonly period_days: number;
  /** What the unused time was worth; `0` at the next renewal. */
  readonly credited: string;
  /** What the new period costs: now, or at the next renewal by today's price. */
  readonly amount: string;
  readonly balance: string;
  readonly currency: string;
  readonly expires_at: string;
};

/** @throws Fault `not_running`, `is_trial`, `no_price`, `short_balance`, `unpriced_time` */
export function changePlan(call: Call, request: PlanChange): Promise<PlanChangeAnswer> {
  return forCustomer(call, 'change-plan', request.telegramId, request, async (desk) => {
    await heardOf(desk);
    const all = await subscriptionsOf(desk.tx, desk.customer.id);
    const subscription = pick(all, request.subscriptionId);
    requireEnd(subscription, request);
    refuseUnchangeable(desk, subscription);
    const prices = await readPriceList(desk.tx, desk.now);
    const price = await priceOf(desk, prices, request);
    refuseOtherPrice(desk, price.amountMinor, request.quotedMinor);
    if (request.when === 'now') return changeNow(desk, request, subscription, price);
    return changeNext(desk, request, subscription, price.amountMinor);
  });
}

export function refuseUnchangeable(desk: Desk, subscription: Subscription): void {
  if (subscription.kind === 'trial') {
    throw refused(
      'is_trial',
      `subscription ${subscription.id} is a trial; a purchase converts it, to any plan`,
    );
  }
  if (subscription.state !== 'active' || subscription.expiresAt <= desk.now) {
    throw refused(
      'not_running',
      `subscription ${subscription.id} doesn't run; a purchase revives it, on any plan`,
    );
  }
}

async function changeNext(
  desk: Desk,
  request: PlanChange,
  subscription: Subscription,
  priceMinor: bigint,
): Promise<PlanChangeAnswer> {
  const same = request.plan === subscription.plan && request.periodDays === subscription.periodDays;
  await alter(desk, subscription, {
    nextPlan: same ? null : request.plan,
    nextPeriodDays: same ? null : request.periodDays,
  });
  // It may be cheaper than what could not be paid.
  await tryAgainNow(desk.tx, desk.customer.id, desk.now, desk.settings);
  await remindNow(desk.tx, desk.customer.id, desk.now);
  const amountMinor = same
    ? await renewalPrice(desk, subscription, priceMinor)
    : await writeChoice(desk, request, subscription, priceMinor);
  await tell(desk, request, subscription, 'plan_chosen', {});
  return answer(desk, request, subscription, 0n, amountMinor, isoTime(subscription.expiresAt));
}

/** The answer states this amount, so the renewal may take it at once. */
async function writeChoice(
  { tx, customer, now }: Desk,
  { plan, periodDays }: PlanChange,
  { id }: Subscription,
  priceMinor: bigint,
): Promise<bigint> {
  const chosen = { customerId: customer.id, subscriptionId: id, plan, periodDays };
  await writeChosenPrice(tx, chosen, priceMinor, now);
  return priceMinor;
}

/** To keep the plan is no choice of a new price: what the renewal takes of today's price. */
async function renewalPrice(
  { tx, now, settings }: Desk,
  { id, plan, periodDays, expiresAt }: Subscription,
  priceMinor: bigint,
): Promise<bigint> {
  const known = await readKnownPrices(tx, id, plan, periodDays);
  const renewals = { ...settings, expiresAt, periodDays };
  const { noticeMs } = settings;
  return chargeAt(priceMinor, known, chargedAt(renewals, now), noticeMs).chargeMinor;
}

async function changeNow(
  desk: Desk,
  request: PlanChange,
  subscription: Subscription,
  price: ComputedPrice,
): Promise<PlanChangeAnswer> {
  const priceMinor = price.amountMinor;
  const { credits, creditedMinor } = await creditsOf(desk, request, subscription);
  refuseShort(desk, priceMinor, desk.customer.balanceMinor + creditedMinor);
  const balanceBeforeMinor = desk.customer.balanceMinor;
  for (const { period, minor } of credits) {
    await giveBack(desk, period, minor);
    if (minor > 0n) await tellRefund(desk, subscription.id, period, minor, null);
  }
  const sold = await sell(desk, request, { ...subscription, expiresAt: desk.now }, price);
  await alter(desk, subscription, { nextPlan: null, nextPeriodDays: null });
  if (desk.customer.balanceMinor > balanceBeforeMinor) {
    await tryAgainNow(desk.tx, desk.customer.id, desk.now, desk.settings);
  }
  await tell(desk, request, subscription, 'plan_changed', { credited_minor: creditedMinor });
  return answer(desk, request, subscription, creditedMinor, priceMinor, sold.ends_at);
}

/** What the time to come is worth. @throws Fault `unpriced_time` */
export async function creditsOf(
  desk: Desk,
  request: Pick<PlanChange, 'forfeit'>,
  subscription: Subscription,
): Promise<{
  readonly credits: readonly { readonly period: Period; readonly minor: bigint }[];
  readonly creditedMinor: bigint;
}> {
  const live = await livePeriods(desk.tx, subscription.id);
  const toCome = live.filter((period) => period.endsAt > desk.now);
  refuseUnpriced(toCome, request);
  const credits = toCome.map((period) => ({ period, minor: unusedMinor(period, desk.now) }));
  return { credits, creditedMinor: credits.reduce((sum, credit) => sum + credit.minor, 0n) };
}

/** Time that cost nothing is credited with nothing: never taken away without being told to. */
function refuseUnpriced(toCome: readonly Period[], request: Pick<PlanChange, 'forfeit'>): void {
  const unpriced = toCome.find((period) => period.ledgerEntryId === null);
  if (unpriced === undefined || request.forfeit === true) return;
  throw refused(
    'unpriced_time',
    `the time until ${isoTime(unpriced.endsAt)} came by ${unpriced.source} and has no price to credit`,
    'change at the next renewal, or give it up with --forfeit',
  );
}

async function tell(
  desk: Desk,
  request: PlanChange,
  subscription: Subscription,
  action: string,
  more: object,
): Promise<void> {
  const detail = {
    from: subscription.plan,
    to: request.plan,
    period_days: request.periodDays,
    ...more,
  };
  await record(
    desk.tx,
    [{ customerId: desk.customer.id, subject: ofSubscription(subscription.id), action, detail }],
    desk.actor,
    desk.now,
  );
}

function answer(
  desk: Desk,
  request: PlanChange,
  subscription: Subscription,
  creditedMinor: bigint,
  priceMinor: bigint,
  expiresAt: string,
): PlanChangeAnswer {
  const { customer } = desk;
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
