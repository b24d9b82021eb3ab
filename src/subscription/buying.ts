import { sql } from 'kysely';
import type { SubscriptionKind } from '../db/schema.ts';
import { refused } from '../kernel/faults.ts';
import type { SubscriptionId } from '../kernel/ids.ts';
import { type Instant, isoTime, latest } from '../kernel/instant.ts';
import { majorUnits, moneyText } from '../kernel/money.ts';
import { owe } from '../notify/outbox.ts';
import { openAccess, remarkAccess } from './access.ts';
import { type Call, type Desk, forCustomer, move } from './command.ts';
import { type EndCondition, requireEnd } from './conditions.ts';
import { heardOf } from './hearing.ts';
import { dropPaidPrices } from './known-prices.ts';
import { addPeriods, periodEnd } from './periods.ts';
import { type ComputedPrice, computePrice } from './price.ts';
import { type PriceList, readPriceList } from './price-list.ts';
import { receiptOf } from './renewing.ts';
import { alter, found, pick, type Subscription, subscriptionsOf } from './subscriptions.ts';
import { ofSubscription, record } from './timeline.ts';
import { releaseQuarantine } from './wake.ts';

// Buying a period from the balance (DESIGN.md 5, "Buying"). It extends or revives the named
// subscription, converts a running trial in place (same subscription, same credential, the paid
// period starts where the trial ends), or makes a new one. A period starts at max(now, end): no
// paid day is lost, none is given twice.

export interface Purchase extends EndCondition {
  readonly telegramId: bigint;
  readonly plan: string;
  readonly periodDays: number;
  /** To extend or revive; without it the one that is meant, see `target`. */
  readonly subscriptionId?: SubscriptionId;
  /** A new one, whatever there is (family, gift). */
  readonly isNew?: boolean;
  /** For a new or converted one (default on); one that is extended keeps what it has. */
  readonly autoRenew?: boolean;
  /** What the customer was told that it costs: another price is refused, not charged. */
  readonly quotedMinor?: bigint;
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
export function purchase(call: Call, request: Purchase): Promise<PurchaseAnswer> {
  return forCustomer(call, 'purchase', request.telegramId, request, async (desk) => {
    await heardOf(desk);
    const prices = await readPriceList(desk.tx, desk.now);
    const price = await priceOf(desk, prices, request);
    refuseOtherPrice(desk, price.amountMinor, request.quotedMinor);
    refuseShort(desk, price.amountMinor, desk.customer.balanceMinor);
    const subscription = target(
      await subscriptionsOf(desk.tx, desk.customer.id),
      request,
      desk.now,
    );
    requireEnd(subscription, request);
    return sell(desk, request, subscription, price);
  });
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

export function refuseShort(desk: Desk, priceMinor: bigint, balanceMinor: bigint): void {
  if (balanceMinor >= priceMinor) return;
  const { currency } = desk.customer;
  throw refused(
    'short_balance',
    `it costs ${moneyText(priceMinor, currency)}, the balance is ${moneyText(balanceMinor, currency)}: ${moneyText(priceMinor - balanceMinor, currency)} missing`,
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

const isTrial = (one: Subscription): boolean => one.kind === 'trial' && one.state === 'active';

/** The subscription that a purchase is for; undefined for a new one. */
export function target(
  all: readonly Subscription[],
  request: Purchase,
  now: Instant,
): Subscription | undefined {
  if (request.isNew === true) return undefined;
  const asked = request.subscriptionId;
  const candidates = all.filter((one) => one.state !== 'revoked');
  if (asked === undefined && candidates.length === 0) return undefined;
  const chosen =
    asked === undefined
      ? (candidates.find(isTrial) ?? pick(candidates, undefined))
      : pick(all, asked);
  if (chosen.state === 'revoked') {
    throw refused('revoked', `subscription ${chosen.id} was revoked`, 'buy a new one with --new');
  }
  const runs = chosen.state === 'active' && chosen.expiresAt > now;
  if (chosen.kind === 'paid' && runs && chosen.plan !== request.plan) {
    throw refused(
      'other_plan',
      `subscription ${chosen.id} runs on plan ${chosen.plan}`,
      `change-plan moves it to ${request.plan}, --new buys another one`,
    );
  }
  return chosen;
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
  const subscriptionId = await extendOrFound(desk, request, existing, endsAt);
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
  await releaseQuarantine(desk.tx, customer.id);
  await openAccess(desk.tx, [subscriptionId], now);
  // The same credential may open other nodes from now on.
  if (existing !== undefined && existing.plan !== plan) {
    await remarkAccess(desk.tx, [subscriptionId], now);
  }
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

async function extendOrFound(
  desk: Desk,
  request: Pick<Purchase, 'plan' | 'periodDays' | 'autoRenew'>,
  existing: Subscription | undefined,
  expiresAt: Instant,
): Promise<SubscriptionId> {
  const kind: SubscriptionKind = 'paid';
  const { plan, periodDays } = request;
  if (existing === undefined) {
    return found(desk, { kind, plan, periodDays, expiresAt, autoRenew: request.autoRenew ?? true });
  }
  const autoRenew = request.autoRenew ?? (existing.kind === 'trial' || existing.autoRenew);
  await alter(desk, existing, {
    kind,
    plan,
    periodDays,
    state: 'active',
    expiresAt,
    autoRenew,
    nextTryAt: null,
  });
  return existing.id;
}
