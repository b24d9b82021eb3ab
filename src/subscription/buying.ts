import { sql } from 'kysely';
import { refused } from '../kernel/faults.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime, latest } from '../kernel/instant.ts';
import { majorUnits, moneyText } from '../kernel/money.ts';
import { owe } from '../notify/outbox.ts';
import { openAccess } from './access.ts';
import { type Call, type Desk, forCustomer, move } from './command.ts';
import { type EndCondition, requireEnd } from './conditions.ts';
import { heardOf } from './hearing.ts';
import { dropPaidPrices } from './known-prices.ts';
import { creditPayment, type Payment } from './payments.ts';
import { addPeriods, periodEnd } from './periods.ts';
import { type ComputedPrice, computePrice } from './price.ts';
import { type PriceList, readPriceList } from './price-list.ts';
import { findTarget } from './purchase-target.ts';
import { receiptOf } from './renewing.ts';
import { afterUndo, undoRevival } from './revivals.ts';
import { lastTermsOf, readSettled, settleTerms } from './settle.ts';
import { found, type Subscription } from './subscriptions.ts';
import { ofCustomer, ofSubscription, record } from './timeline.ts';
import { releaseQuarantine, tryAgainNow } from './wake.ts';

// Buying a period from the balance (design, purchase). It extends or revives the named
// subscription, converts a running trial in place (same subscription, same credential, the paid
// period starts where the trial ends), or makes a new one. A period starts at max(now, end): no
// paid day is lost, none is given twice. Its plan and length are in force from its start
// (`terms.ts`).

export interface Purchase extends EndCondition {
  readonly telegramId: bigint;
  readonly plan: string;
  readonly periodDays: number;
  /** To extend or revive; without it the only one, or the only active one. */
  readonly subscriptionId?: SubscriptionId;
  /** A new one, whatever there is (family, gift). */
  readonly isNew?: boolean;
  /** For a new or converted one (default on); one that is extended keeps what it has. */
  readonly autoRenew?: boolean;
  /** What the customer was told that it costs: another price is refused, not charged. */
  readonly quotedMinor?: bigint;
  /** Credited in the same transaction: nothing else can spend it first. */
  readonly payment?: Payment;
  /** A person has confirmed a payment above `money.top_up_max`. */
  readonly isConfirmed?: boolean;
}

export type PurchaseAnswer = {
  readonly telegram_id: number;
  readonly subscription_id: number;
  /** `new`, `extended`, `revived`, `converted`. */
  readonly action: string;
  readonly plan: string;
  readonly period_days: number;
  readonly starts_at: string;
  readonly ends_at: string;
  readonly amount: string;
  readonly balance: string;
  readonly currency: string;
  readonly ledger_entry_id: number;
};

/** @throws Fault `no_plan`, `no_price`, `price_changed`, `short_balance`, `revoked`, `other_plan`, … */
export function purchase(
  call: Call,
  { isConfirmed = false, ...request }: Purchase,
): Promise<PurchaseAnswer> {
  return forCustomer(call, 'purchase', request.telegramId, request, async (desk) => {
    await heardOf(desk);
    const claimPaidMinor =
      request.payment === undefined ? 0n : await creditFirst(desk, request.payment, isConfirmed);
    const prices = await readPriceList(desk.tx, desk.now);
    const price = await priceOf(desk, prices, request);
    refuseOtherPrice(desk, price.amountMinor, request.quotedMinor);
    const { target, undone } = await findTarget(desk, request, price.amountMinor);
    for (const revival of undone) await undoRevival(desk, revival);
    refuseShort(desk, price.amountMinor, desk.customer.balanceMinor, claimPaidMinor);
    const subscription = await afterUndo(desk, target, undone);
    requireEnd(subscription, request);
    const answer = await sell(desk, request, subscription, price);
    // What is left of the payment may pay for the customer's other subscriptions.
    if (request.payment !== undefined)
      await tryAgainNow(desk.tx, desk.customer.id, desk.now, desk.settings);
    return answer;
  });
}

/** @returns the part of the payment that paid the claim */
async function creditFirst(desk: Desk, payment: Payment, isConfirmed: boolean): Promise<bigint> {
  const { tx, customer, actor, now } = desk;
  const { entryId, claimPaidMinor } = await creditPayment(desk, payment, isConfirmed);
  const detail = {
    ledger_entry_id: entryId,
    amount_minor: payment.amountMinor,
    ...(claimPaidMinor === 0n ? {} : { claim_paid_minor: claimPaidMinor }),
  };
  const subject = ofCustomer(customer.id);
  await record(tx, [{ customerId: customer.id, subject, action: 'topped_up', detail }], actor, now);
  return claimPaidMinor;
}

/** What the customer pays. @throws Fault `no_plan`, `no_price` */
export async function priceOf(
  desk: Desk,
  prices: PriceList,
  wanted: { readonly plan: string; readonly periodDays: number },
): Promise<ComputedPrice> {
  const { currency } = desk.customer;
  await refuseUnsold(desk, wanted.plan);
  const listMinor = prices.of(wanted.plan, wanted.periodDays, currency);
  if (listMinor !== null) {
    return computePrice(listMinor, desk.customer, desk.settings.vipPercent);
  }
  const periods = prices.entries
    .filter((entry) => entry.plan === wanted.plan && entry.currency === currency)
    .map((entry) => entry.periodDays);
  const there = periods.length === 0 ? 'nothing' : `${periods.join(', ')} days`;
  throw refused(
    'no_price',
    `plan ${wanted.plan} has no price for ${wanted.periodDays} days in ${currency}; there is ${there}`,
  );
}

/** @throws Fault `no_plan` */
export async function refuseUnsold(desk: Desk, plan: string): Promise<void> {
  const { rows } = await sql<{ key: string; retired_at: Instant | null }>`
    SELECT key, retired_at FROM perennial.plan ORDER BY key`.execute(desk.tx);
  const found = rows.find((row) => row.key === plan);
  if (found !== undefined && found.retired_at === null) return;
  const sold = rows.filter((row) => row.retired_at === null).map((row) => row.key);
  const statement = `there is no plan "${plan}" on sale; there is ${sold.join(', ') || 'none yet'}`;
  throw refused('no_plan', statement, sold.length === 0 ? 'perennial apply adds them' : undefined);
}

export function refuseShort(
  desk: Desk,
  priceMinor: bigint,
  balanceMinor: bigint,
  claimPaidMinor = 0n,
): void {
  if (balanceMinor >= priceMinor) return;
  const { currency } = desk.customer;
  const claim =
    claimPaidMinor === 0n
      ? ''
      : `; ${moneyText(claimPaidMinor, currency)} of the payment go to the claim`;
  throw refused(
    'short_balance',
    `it costs ${moneyText(priceMinor, currency)}, the balance is ${moneyText(balanceMinor, currency)}: ${moneyText(priceMinor - balanceMinor, currency)} missing${claim}`,
  );
}

/** Whoever was told a price pays that or nothing. @throws Fault `price_changed` */
export function refuseOtherPrice(
  desk: Desk,
  priceMinor: bigint,
  quotedMinor: bigint | undefined,
): void {
  if (quotedMinor === undefined || quotedMinor === priceMinor) return;
  const { currency } = desk.customer;
  throw refused(
    'price_changed',
    `it costs ${moneyText(priceMinor, currency)} now, not ${moneyText(quotedMinor, currency)}`,
  );
}

/** From when until when a period would be that is bought now. */
export function stretchOf(
  existing: Pick<Subscription, 'expiresAt'> | undefined,
  periodDays: number,
  now: Instant,
): { readonly startsAt: Instant; readonly endsAt: Instant } {
  const startsAt = existing === undefined ? now : latest(now, existing.expiresAt);
  return { startsAt, endsAt: periodEnd(startsAt, periodDays) };
}

/** Charges and extends, together. The customer's balance covers it. */
export async function sell(
  desk: Desk,
  request: Pick<Purchase, 'plan' | 'periodDays' | 'autoRenew'>,
  existing: Subscription | undefined,
  price: ComputedPrice,
): Promise<PurchaseAnswer> {
  const { customer, now } = desk;
  const priceMinor = price.amountMinor;
  const { plan, periodDays } = request;
  const { startsAt, endsAt } = stretchOf(existing, periodDays, now);
  const entryId = await move(desk, { amountMinor: -priceMinor, kind: 'purchase' });
  const action = actionOf(existing);
  const lastBefore = existing === undefined ? request : await lastTermsOf(desk, existing);
  const subscriptionId = existing?.id ?? (await foundPaid(desk, request, endsAt));
  const sold = {
    subscriptionId,
    customerId: customer.id,
    plan,
    periodDays,
    startsAt,
    endsAt,
    currency: customer.currency,
  };
  await addPeriods(desk.tx, [{ ...sold, ...price, source: 'purchase', ledgerEntryId: entryId }]);
  await dropPaidPrices(desk.tx, [sold], now, desk.settings.noticeMs);
  const autoRenew = autoRenewAfter(request, existing);
  if (existing !== undefined) {
    await settleTerms(desk, existing, lastBefore, await readSettled(desk, existing), {
      kind: 'paid',
      state: 'active',
      expiresAt: endsAt,
      autoRenew,
      nextTryAt: null,
    });
  }
  await releaseQuarantine(desk.tx, customer.id);
  await openAccess(desk.tx, [subscriptionId], now);
  await owe(
    desk.tx,
    [
      receiptOf({
        ...sold,
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
  await record(
    desk.tx,
    [
      {
        customerId: customer.id,
        subject: ofSubscription(subscriptionId),
        action: 'purchased',
        detail,
      },
    ],
    desk.actor,
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

export function actionOf(existing: Subscription | undefined): string {
  if (existing === undefined) return 'new';
  if (existing.state === 'expired') return 'revived';
  return existing.kind === 'trial' ? 'converted' : 'extended';
}

function foundPaid(
  desk: Desk,
  { plan, periodDays, autoRenew = true }: Pick<Purchase, 'plan' | 'periodDays' | 'autoRenew'>,
  expiresAt: Instant,
): Promise<SubscriptionId> {
  return found(desk, { kind: 'paid', plan, periodDays, expiresAt, autoRenew });
}

/** The switch of a paid subscription belongs to the customer. A purchase does not change it. */
function autoRenewAfter(
  { autoRenew = true }: Pick<Purchase, 'autoRenew'>,
  existing: Subscription | undefined,
): boolean {
  return existing?.kind === 'paid' ? existing.autoRenew : autoRenew;
}
