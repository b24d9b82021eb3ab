import { refused } from '../kernel/faults.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime, latest, never } from '../kernel/instant.ts';
import { majorUnits } from '../kernel/money.ts';
import { type NewNotice, owe } from '../notify/outbox.ts';
import { closeAccess, openAccess } from './access.ts';
import { type Call, type Desk, forCustomer } from './command.ts';
import { type EndCondition, requireEnd } from './conditions.ts';
import { heardOf } from './hearing.ts';
import { writeFirstTerms } from './known-prices.ts';
import { stateNextCharge } from './next-charge.ts';
import { addPeriods, livePeriods, periodEnd } from './periods.ts';
import { priceFor } from './price.ts';
import { readPriceList } from './price-list.ts';
import { tellRefund } from './refund-notices.ts';
import { giveBack, type RefundPart, unusedMinor } from './refunding.ts';
import { lastTermsOf, readSettled, settleTerms } from './settle.ts';
import { alter, found, pick, type Subscription, subscriptionsOf } from './subscriptions.ts';
import { ofSubscription, record } from './timeline.ts';
import {
  delayRenewals,
  releaseQuarantine,
  remindNow,
  remindUnnotified,
  tryAgainNow,
} from './wake.ts';

// Rights that are given and taken by hand: a grant is a period that costs nothing, a revocation
// ends the access now and moves no money unless asked to. And the customer's own switch.

export interface Grant extends EndCondition {
  readonly telegramId: bigint;
  readonly days: number;
  /** To extend; without it the one that is meant. */
  readonly subscriptionId?: SubscriptionId;
  /** A new subscription to this plan. It is a gift: auto-renewal is off. */
  readonly newPlan?: string;
}

export type RightsAnswer = {
  readonly telegram_id: number;
  readonly subscription_id: number;
  readonly plan: string;
  readonly state: string;
  readonly expires_at: string;
  readonly auto_renew: boolean;
  /** What went back to the balance. */
  readonly refunded: string;
  readonly balance: string;
  readonly currency: string;
};

/** Extends, revives or opens a subscription for nothing. @throws Fault `revoked`, `no_plan`, … */
export function grant(call: Call, request: Grant): Promise<RightsAnswer> {
  return forCustomer(call, 'grant', request.telegramId, request, async (desk) => {
    const existing = await grantee(desk, request);
    requireEnd(existing, request);
    const startsAt = existing === undefined ? desk.now : latest(desk.now, existing.expiresAt);
    const endsAt = periodEnd(startsAt, request.days);
    const lastBefore = existing === undefined ? undefined : await lastTermsOf(desk, existing);
    const plan = lastBefore?.plan ?? (request.newPlan as string);
    const id = existing?.id ?? (await foundGift(desk, plan, request.days, endsAt));
    await addPeriods(desk.tx, [
      {
        subscriptionId: id,
        customerId: desk.customer.id,
        source: 'grant',
        plan,
        startsAt,
        endsAt,
        amountMinor: 0n,
        currency: desk.customer.currency,
        ledgerEntryId: null,
        periodDays: existing === undefined ? request.days : null,
        listMinor: null,
        discountPercent: null,
        kind: existing?.kind ?? 'paid',
      },
    ]);
    if (existing !== undefined && lastBefore !== undefined) {
      const change = { state: 'active', expiresAt: endsAt, nextTryAt: null } as const;
      await settleTerms(desk, existing, lastBefore, await readSettled(desk, existing), change);
    }
    const priced = lastBefore ?? { plan, periodDays: request.days };
    await writeTerms(desk, id, { kind: existing?.kind ?? 'paid', ...priced });
    await openAccess(desk.tx, [id], desk.now);
    await releaseQuarantine(desk.tx, desk.customer.id);
    await remindUnnotified(desk.tx, desk.customer.id, desk.now);
    const detail = { days: request.days, plan, ends_at: isoTime(endsAt) };
    const stated = existing === undefined ? { ...detail, auto_renew: false } : detail;
    await tell(desk, id, 'granted', stated, {
      kind: 'grant',
      dedupeKey: `grant:${id}:${startsAt}:${endsAt}`,
      params: detail,
    });
    return rights(desk, id, 0n);
  });
}

/** The price at the grant is the first amount that a renewal may take. */
async function writeTerms(
  desk: Desk,
  subscriptionId: SubscriptionId,
  { kind, plan, periodDays }: Pick<Subscription, 'kind' | 'plan' | 'periodDays'>,
): Promise<void> {
  const { tx, customer, now, settings } = desk;
  const listMinor = (await readPriceList(tx, now)).of(plan, periodDays, customer.currency);
  if (kind !== 'paid' || listMinor === null) return;
  const priced = { customerId: customer.id, subscriptionId, plan, periodDays };
  await writeFirstTerms(tx, priced, priceFor(listMinor, customer, settings.vipPercent), now);
}

async function grantee(desk: Desk, request: Grant): Promise<Subscription | undefined> {
  if (request.newPlan !== undefined) {
    const plan = await desk.tx
      .selectFrom('perennial.plan')
      .select('key')
      .where('key', '=', request.newPlan)
      .executeTakeFirst();
    if (plan === undefined) {
      const hint = '"perennial plan list" shows the plans';
      throw refused('no_plan', `there is no plan "${request.newPlan}"`, hint);
    }
    return undefined;
  }
  const subscription = pick(
    await subscriptionsOf(desk.tx, desk.customer.id),
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

function foundGift(desk: Desk, plan: string, days: number, expiresAt: Instant) {
  return found(desk, { kind: 'paid', plan, periodDays: days, expiresAt, autoRenew: false });
}

export interface Revocation extends EndCondition {
  readonly telegramId: bigint;
  readonly subscriptionId?: SubscriptionId;
  readonly refund?: RefundPart;
  readonly reason: string;
}

/** Ends the access now. @throws Fault `revoked` */
export function revoke(call: Call, request: Revocation): Promise<RightsAnswer> {
  return forCustomer(call, 'revoke', request.telegramId, request, async (desk) => {
    const all = await subscriptionsOf(desk.tx, desk.customer.id);
    const subscription = pick(all, request.subscriptionId);
    requireEnd(subscription, request);
    if (subscription.state === 'revoked') {
      throw refused('revoked', `subscription ${subscription.id} was revoked already`);
    }
    const { refundedMinor, expiresAt } = await refundToCome(desk, subscription, request.refund);
    const change = { state: 'revoked', expiresAt, nextTryAt: never, changesAt: null } as const;
    await alter(desk, subscription, change);
    await closeAccess(desk.tx, [subscription.id], desk.now);
    if (refundedMinor > 0n) await delayRenewals(desk.tx, desk.customer.id, desk.now, desk.settings);
    const detail = {
      reason: request.reason,
      plan: subscription.plan,
      refunded: majorUnits(refundedMinor, desk.customer.currency),
    };
    // Not the reason: that is the operator's.
    await tell(desk, subscription.id, 'revoked', detail, {
      kind: 'revoke',
      dedupeKey: `revoke:${subscription.id}`,
      params: { plan: subscription.plan },
    });
    return rights(desk, subscription.id, refundedMinor);
  });
}

/** Gives back the charged periods that are not over, also those that a gift follows. */
async function refundToCome(
  desk: Desk,
  subscription: Subscription,
  part: RefundPart | undefined,
): Promise<{ refundedMinor: bigint; expiresAt: Instant }> {
  if (part === undefined) return { refundedMinor: 0n, expiresAt: subscription.expiresAt };
  let refundedMinor = 0n;
  for (const period of await livePeriods(desk.tx, subscription.id)) {
    if (period.endsAt <= desk.now || period.ledgerEntryId === null) continue;
    const minor = part === 'whole' ? period.amountMinor : unusedMinor(period, desk.now);
    await giveBack(desk, period, minor);
    await tellRefund(desk, subscription.id, period, minor, null);
    refundedMinor += minor;
  }
  const [last] = await livePeriods(desk.tx, subscription.id);
  return { refundedMinor, expiresAt: last?.endsAt ?? subscription.startedAt };
}

export interface Switch extends EndCondition {
  readonly telegramId: bigint;
  readonly subscriptionId?: SubscriptionId;
  readonly on: boolean;
}

export type SwitchAnswer = RightsAnswer & {
  /** From when on the next renewal is charged; null: it is not to be renewed. */
  readonly renewal_at: string | null;
  /** What the next renewal takes, which the customer is notified of by this answer. */
  readonly renewal_amount: string | null;
};

/** The customer's switch; the engine itself never turns it off. @throws Fault `is_trial`, `revoked` */
export function setAutoRenew(call: Call, request: Switch): Promise<SwitchAnswer> {
  return forCustomer(call, 'auto-renew', request.telegramId, request, async (desk) => {
    await heardOf(desk);
    const all = await subscriptionsOf(desk.tx, desk.customer.id);
    const subscription = pick(all, request.subscriptionId);
    requireEnd(subscription, request);
    if (subscription.kind === 'trial') {
      throw refused(
        'is_trial',
        `subscription ${subscription.id} is a trial; it ends, it is not renewed`,
      );
    }
    if (subscription.state === 'revoked') {
      throw refused('revoked', `subscription ${subscription.id} was revoked; it can't be renewed`);
    }
    await alter(desk, subscription, { autoRenew: request.on });
    const plan = subscription.nextPlan ?? subscription.plan;
    const next = request.on ? await stateNextCharge(desk, subscription.id, plan) : null;
    if (request.on) {
      await tryAgainNow(desk.tx, desk.customer.id, desk.now, desk.settings);
      await remindNow(desk.tx, desk.customer.id, desk.now);
    }
    const action = request.on ? 'auto_renew_on' : 'auto_renew_off';
    await tell(desk, subscription.id, action, { auto_renew: request.on });
    return {
      ...(await rights(desk, subscription.id, 0n)),
      renewal_at: next?.at ?? null,
      renewal_amount: next?.amount ?? null,
    };
  });
}

type Told = Extract<NewNotice, { kind: 'grant' | 'revoke' }>;
type OfThisCustomer<N extends NewNotice> = N extends NewNotice
  ? Omit<N, 'customerId' | 'subscriptionId'>
  : never;

async function tell(
  desk: Desk,
  id: SubscriptionId,
  action: string,
  detail: Readonly<Record<string, string | number | boolean>>,
  notice?: OfThisCustomer<Told>,
): Promise<void> {
  const customerId = desk.customer.id;
  if (notice !== undefined) {
    await owe(desk.tx, [{ customerId, subscriptionId: id, ...notice }], desk.now);
  }
  const event = { customerId, subject: ofSubscription(id), action, detail };
  await record(desk.tx, [event], desk.actor, desk.now);
}

/** How a subscription of the customer stands after a command on it. */
export async function rights(
  desk: Desk,
  id: SubscriptionId,
  refundedMinor: bigint,
): Promise<RightsAnswer> {
  const all = await subscriptionsOf(desk.tx, desk.customer.id);
  const subscription = pick(all, id);
  const { customer } = desk;
  return {
    telegram_id: Number(customer.telegramId),
    subscription_id: Number(id),
    plan: subscription.plan,
    state: subscription.state,
    expires_at: isoTime(subscription.expiresAt),
    auto_renew: subscription.autoRenew,
    refunded: majorUnits(refundedMinor, customer.currency),
    balance: majorUnits(customer.balanceMinor, customer.currency),
    currency: customer.currency,
  };
}
