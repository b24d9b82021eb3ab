import { closeAccess, openAccess } from '../../access/credentials.ts';
import { refused } from '../../kernel/faults.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime, latest, never } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { enqueueNotifications, type NewNotice } from '../../outbox/outbox.ts';
import { computePriceMinor } from '../rules/price.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { recordEvents, toSubscriptionSubject } from '../store/events.ts';
import { writeFirstPrice } from '../store/known-prices.ts';
import { addPeriods, computePeriodEnd, readPeriods } from '../store/periods.ts';
import { readPriceList } from '../store/prices.ts';
import { delayRenewals, releaseQuarantine, remindUnnotified } from '../store/retry-now.ts';
import {
  chooseSubscription,
  createSubscription,
  readCustomerSubscriptions,
  type Subscription,
  updateSubscription,
} from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { type EndCondition, requireExpectedEnd } from './conditions.ts';
import { computeUnusedMinor, type RefundPart, refundPeriod } from './refund.ts';
import { recordRefund } from './refund-notices.ts';
import { readLastTerms, readSettledTerms, settleTerms } from './settle.ts';

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

export type SubscriptionResult = {
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
export function grant(caller: Caller, request: Grant): Promise<SubscriptionResult> {
  return withLockedCustomer(caller, 'grant', request.telegramId, request, async (context) => {
    const existing = await chooseGrantTarget(context, request);
    requireExpectedEnd(existing, request);
    const startsAt = existing === undefined ? context.now : latest(context.now, existing.expiresAt);
    const endsAt = computePeriodEnd(startsAt, request.days);
    const lastBefore = existing === undefined ? undefined : await readLastTerms(context, existing);
    const plan = lastBefore?.plan ?? (request.newPlan as string);
    const id = existing?.id ?? (await createGiftSubscription(context, plan, request.days, endsAt));
    await addPeriods(context.tx, [
      {
        subscriptionId: id,
        customerId: context.customer.id,
        source: 'grant',
        plan,
        startsAt,
        endsAt,
        amountMinor: 0n,
        currency: context.customer.currency,
        ledgerEntryId: null,
        periodDays: existing === undefined ? request.days : null,
        listMinor: null,
        discountPercent: null,
        kind: existing?.kind ?? 'paid',
      },
    ]);
    if (existing !== undefined && lastBefore !== undefined) {
      const change = { state: 'active', expiresAt: endsAt, nextTryAt: null } as const;
      await settleTerms(
        context,
        existing,
        lastBefore,
        await readSettledTerms(context, existing),
        change,
      );
    }
    const priced = lastBefore ?? { plan, periodDays: request.days };
    await writeGrantPrice(context, id, { kind: existing?.kind ?? 'paid', ...priced });
    await openAccess(context.tx, [id], context.now);
    await releaseQuarantine(context.tx, context.customer.id);
    await remindUnnotified(context.tx, context.customer.id, context.now);
    const detail = { days: request.days, plan, ends_at: isoTime(endsAt) };
    const stated = existing === undefined ? { ...detail, auto_renew: false } : detail;
    await recordEvent(context, id, 'granted', stated, {
      kind: 'grant',
      dedupeKey: `grant:${id}:${startsAt}:${endsAt}`,
      params: detail,
    });
    return readSubscriptionResult(context, id, 0n);
  });
}

/** The price at the grant is the first amount that a renewal may take. */
async function writeGrantPrice(
  context: CommandContext,
  subscriptionId: SubscriptionId,
  { kind, plan, periodDays }: Pick<Subscription, 'kind' | 'plan' | 'periodDays'>,
): Promise<void> {
  const { tx, customer, now, settings } = context;
  const listMinor = (await readPriceList(tx, now)).getMinor(plan, periodDays, customer.currency);
  if (kind !== 'paid' || listMinor === null) return;
  const priced = { customerId: customer.id, subscriptionId, plan, periodDays };
  await writeFirstPrice(
    tx,
    priced,
    computePriceMinor(listMinor, customer, settings.vipPercent),
    now,
  );
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
      const hint = '"perennial plan list" shows the plans';
      throw refused('no_plan', `there is no plan "${request.newPlan}"`, hint);
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

function createGiftSubscription(
  context: CommandContext,
  plan: string,
  days: number,
  expiresAt: Instant,
) {
  return createSubscription(context, {
    kind: 'paid',
    plan,
    periodDays: days,
    expiresAt,
    autoRenew: false,
  });
}

export interface Revocation extends EndCondition {
  readonly telegramId: bigint;
  readonly subscriptionId?: SubscriptionId;
  readonly refund?: RefundPart;
  readonly reason: string;
}

/** Ends the access now. @throws Fault `revoked` */
export function revoke(caller: Caller, request: Revocation): Promise<SubscriptionResult> {
  return withLockedCustomer(caller, 'revoke', request.telegramId, request, async (context) => {
    const all = await readCustomerSubscriptions(context.tx, context.customer.id);
    const subscription = chooseSubscription(all, request.subscriptionId);
    requireExpectedEnd(subscription, request);
    if (subscription.state === 'revoked') {
      throw refused('revoked', `subscription ${subscription.id} was revoked already`);
    }
    const { refundedMinor, expiresAt } = await refundRemaining(
      context,
      subscription,
      request.refund,
    );
    const change = { state: 'revoked', expiresAt, nextTryAt: never, changesAt: null } as const;
    await updateSubscription(context, subscription, change);
    await closeAccess(context.tx, [subscription.id], context.now);
    if (refundedMinor > 0n)
      await delayRenewals(context.tx, context.customer.id, context.now, context.settings);
    const detail = {
      reason: request.reason,
      plan: subscription.plan,
      refunded: majorUnits(refundedMinor, context.customer.currency),
    };
    // Not the reason: that is the operator's.
    await recordEvent(context, subscription.id, 'revoked', detail, {
      kind: 'revoke',
      dedupeKey: `revoke:${subscription.id}`,
      params: { plan: subscription.plan },
    });
    return readSubscriptionResult(context, subscription.id, refundedMinor);
  });
}

/** Gives back the charged periods that are not over, also those that a gift follows. */
async function refundRemaining(
  context: CommandContext,
  subscription: Subscription,
  part: RefundPart | undefined,
): Promise<{ refundedMinor: bigint; expiresAt: Instant }> {
  if (part === undefined) return { refundedMinor: 0n, expiresAt: subscription.expiresAt };
  let refundedMinor = 0n;
  for (const period of await readPeriods(context.tx, subscription.id)) {
    if (period.endsAt <= context.now || period.ledgerEntryId === null) continue;
    const minor = part === 'whole' ? period.amountMinor : computeUnusedMinor(period, context.now);
    await refundPeriod(context, period, minor);
    await recordRefund(context, subscription.id, period, minor, null);
    refundedMinor += minor;
  }
  const [last] = await readPeriods(context.tx, subscription.id);
  return { refundedMinor, expiresAt: last?.endsAt ?? subscription.startedAt };
}

type RightsNotification = Extract<NewNotice, { kind: 'grant' | 'revoke' }>;

type WithoutCustomer<N extends NewNotice> = N extends NewNotice
  ? Omit<N, 'customerId' | 'subscriptionId'>
  : never;

export async function recordEvent(
  context: CommandContext,
  id: SubscriptionId,
  action: string,
  detail: Readonly<Record<string, string | number | boolean>>,
  notice?: WithoutCustomer<RightsNotification>,
): Promise<void> {
  const customerId = context.customer.id;
  if (notice !== undefined) {
    await enqueueNotifications(
      context.tx,
      [{ customerId, subscriptionId: id, ...notice }],
      context.now,
    );
  }
  const event = { customerId, subject: toSubscriptionSubject(id), action, detail };
  await recordEvents(context.tx, [event], context.actor, context.now);
}

/** How a subscription of the customer stands after a command on it. */
export async function readSubscriptionResult(
  context: CommandContext,
  id: SubscriptionId,
  refundedMinor: bigint,
): Promise<SubscriptionResult> {
  const all = await readCustomerSubscriptions(context.tx, context.customer.id);
  const subscription = chooseSubscription(all, id);
  const { customer } = context;
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
