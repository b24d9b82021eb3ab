import { openAccess } from '../../access/credentials.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime, latest } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { enqueueNotifications } from '../../outbox/outbox.ts';
import { toReceipt } from '../batch/renew.ts';
import type { ComputedPrice } from '../rules/price.ts';
import { changeBalance } from '../store/balance.ts';
import type { Caller, CommandContext } from '../store/command-context.ts';
import { recordEvents, toCustomerSubject, toSubscriptionSubject } from '../store/events.ts';
import { deletePaidPrices } from '../store/known-prices.ts';
import { creditPayment, type Payment } from '../store/payments.ts';
import { addPeriods, computePeriodEnd } from '../store/periods.ts';
import { readPriceList } from '../store/prices.ts';
import { recordActivity } from '../store/reachability.ts';
import { releaseQuarantine, retryRenewalsNow } from '../store/retry-now.ts';
import { createSubscription, type Subscription } from '../store/subscriptions.ts';
import { withLockedCustomer } from './command.ts';
import { type EndCondition, requireExpectedEnd } from './conditions.ts';
import { requireBalance, requirePrice, requireQuotedPrice } from './purchase-checks.ts';
import { findTarget } from './purchase-target.ts';
import { readTargetAfterUndo, undoRevival } from './revivals.ts';
import { readLastTerms, readSettledTerms, settleTerms } from './settle.ts';

// The command purchase: a period that is paid from the balance (design, purchase).
//
// 1. It extends or revives the named subscription, converts a running trial, or creates a new
//    subscription.
// 2. A converted trial keeps the subscription and the credential. The paid period starts at its
//    end.
// 3. A period starts at `max(now, expires_at)`, so no paid day is lost or given twice.
// 4. Its plan and length are in force from its start (`terms.ts`).

export interface Purchase extends EndCondition {
  readonly telegramId: bigint;
  readonly plan: string;
  readonly periodDays: number;
  /** The subscription to extend or revive. Default: the only one, or the only active one. */
  readonly subscriptionId?: SubscriptionId;
  /** Creates a new subscription also if the customer has one (family, gift). */
  readonly isNew?: boolean;
  /** For a new or converted subscription (default: on). An extended one keeps its own value. */
  readonly autoRenew?: boolean;
  /** The price that the customer saw. If the price differs, the command is refused. */
  readonly quotedMinor?: bigint;
  /** Credited in the same transaction, so the purchase is the first to spend it. */
  readonly payment?: Payment;
  /** A person has confirmed a payment above `money.top_up_max`. */
  readonly isConfirmed?: boolean;
}

export type PurchaseAction = 'new' | 'extended' | 'revived' | 'converted';

export type PurchaseResult = {
  readonly telegram_id: number;
  readonly subscription_id: number;
  readonly action: PurchaseAction;
  readonly plan: string;
  readonly period_days: number;
  readonly starts_at: string;
  readonly ends_at: string;
  readonly amount: string;
  readonly balance: string;
  readonly currency: string;
  readonly ledger_entry_id: number;
};

/**
 * @throws Fault `no_plan`, `no_price`, `price_changed`, `short_balance`, `revoked`, `other_plan`, …
 */
export function purchase(
  caller: Caller,
  { isConfirmed = false, ...request }: Purchase,
): Promise<PurchaseResult> {
  return withLockedCustomer(caller, 'purchase', request.telegramId, request, async (context) => {
    await recordActivity(context);
    const claimPaidMinor =
      request.payment === undefined
        ? 0n
        : await creditPurchasePayment(context, request.payment, isConfirmed);
    const prices = await readPriceList(context.tx, context.now);
    const price = await requirePrice(context, prices, request);
    requireQuotedPrice(context, price.amountMinor, request.quotedMinor);
    const { target, undone } = await findTarget(context, request, price.amountMinor);
    for (const revival of undone) await undoRevival(context, revival);
    requireBalance(context, price.amountMinor, context.customer.balanceMinor, claimPaidMinor);
    const subscription = await readTargetAfterUndo(context, target, undone);
    requireExpectedEnd(subscription, request);
    const result = await chargeAndExtend(context, request, subscription, price);
    // The rest of the payment may pay for other subscriptions of the customer.
    if (request.payment !== undefined)
      await retryRenewalsNow(context.tx, context.customer.id, context.now, context.settings);
    return result;
  });
}

/** @returns the part of the payment that paid the claim */
async function creditPurchasePayment(
  context: CommandContext,
  payment: Payment,
  isConfirmed: boolean,
): Promise<bigint> {
  const { tx, customer, actor, now } = context;
  const { entryId, claimPaidMinor } = await creditPayment(context, payment, isConfirmed);
  const detail = {
    ledger_entry_id: entryId,
    amount_minor: payment.amountMinor,
    ...(claimPaidMinor === 0n ? {} : { claim_paid_minor: claimPaidMinor }),
  };
  const subject = toCustomerSubject(customer.id);
  await recordEvents(
    tx,
    [{ customerId: customer.id, subject, action: 'topped_up', detail }],
    actor,
    now,
  );
  return claimPaidMinor;
}

/** The start and end of a period that is bought now. */
export function periodBounds(
  existing: Pick<Subscription, 'expiresAt'> | undefined,
  periodDays: number,
  now: Instant,
): { readonly startsAt: Instant; readonly endsAt: Instant } {
  const startsAt = existing === undefined ? now : latest(now, existing.expiresAt);
  return { startsAt, endsAt: computePeriodEnd(startsAt, periodDays) };
}

/** Charges and extends together. The caller has checked that the balance covers the charge. */
export async function chargeAndExtend(
  context: CommandContext,
  request: Pick<Purchase, 'plan' | 'periodDays' | 'autoRenew'>,
  existing: Subscription | undefined,
  price: ComputedPrice,
): Promise<PurchaseResult> {
  const { customer, now } = context;
  const priceMinor = price.amountMinor;
  const { plan, periodDays } = request;
  const { startsAt, endsAt } = periodBounds(existing, periodDays, now);
  const entryId = await changeBalance(context, { amountMinor: -priceMinor, kind: 'purchase' });
  const action = toPurchaseAction(existing);
  const lastBefore = existing === undefined ? request : await readLastTerms(context, existing);
  const subscriptionId = existing?.id ?? (await createPaidSubscription(context, request, endsAt));
  const soldPeriod = {
    subscriptionId,
    customerId: customer.id,
    plan,
    periodDays,
    startsAt,
    endsAt,
    currency: customer.currency,
  };
  await addPeriods(context.tx, [
    { ...soldPeriod, ...price, source: 'purchase', ledgerEntryId: entryId },
  ]);
  await deletePaidPrices(context.tx, [soldPeriod], now, context.settings.noticeMs);
  const autoRenew = computeAutoRenew(request, existing);
  if (existing !== undefined) {
    await settleTerms(context, existing, lastBefore, await readSettledTerms(context, existing), {
      kind: 'paid',
      state: 'active',
      expiresAt: endsAt,
      autoRenew,
      nextTryAt: null,
    });
  }
  await releaseQuarantine(context.tx, customer.id);
  await openAccess(context.tx, [subscriptionId], now);
  await enqueueNotifications(
    context.tx,
    [
      toReceipt({
        ...soldPeriod,
        entryId,
        chargeMinor: priceMinor,
        balanceAfterMinor: customer.balanceMinor,
      }),
    ],
    now,
  );
  const detail = {
    action,
    plan,
    ledger_entry_id: entryId,
    amount_minor: priceMinor,
    ends_at: isoTime(endsAt),
    auto_renew: autoRenew,
  };
  await recordEvents(
    context.tx,
    [
      {
        customerId: customer.id,
        subject: toSubscriptionSubject(subscriptionId),
        action: 'purchased',
        detail,
      },
    ],
    context.actor,
    now,
  );
  return {
    telegram_id: Number(customer.telegramId),
    subscription_id: Number(subscriptionId),
    action,
    plan,
    period_days: periodDays,
    starts_at: isoTime(startsAt),
    ends_at: isoTime(endsAt),
    amount: majorUnits(priceMinor, customer.currency),
    balance: majorUnits(customer.balanceMinor, customer.currency),
    currency: customer.currency,
    ledger_entry_id: Number(entryId),
  };
}

export function toPurchaseAction(existing: Subscription | undefined): PurchaseAction {
  if (existing === undefined) return 'new';
  if (existing.state === 'expired') return 'revived';
  return existing.kind === 'trial' ? 'converted' : 'extended';
}

function createPaidSubscription(
  context: CommandContext,
  { plan, periodDays, autoRenew = true }: Pick<Purchase, 'plan' | 'periodDays' | 'autoRenew'>,
  expiresAt: Instant,
): Promise<SubscriptionId> {
  return createSubscription(context, { kind: 'paid', plan, periodDays, expiresAt, autoRenew });
}

/** The switch of a paid subscription belongs to the customer, so a purchase does not change it. */
function computeAutoRenew(
  { autoRenew = true }: Pick<Purchase, 'autoRenew'>,
  existing: Subscription | undefined,
): boolean {
  return existing?.kind === 'paid' ? existing.autoRenew : autoRenew;
}
