import type { Db } from '../../db/connect.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { type PlanChange, readCredits, requireChangeable } from '../commands/change-plan.ts';
import { readSnapshot } from '../commands/command.ts';
import {
  type Purchase,
  type PurchaseAction,
  periodBounds,
  toPurchaseAction,
} from '../commands/purchase.ts';
import { requirePrice } from '../commands/purchase-checks.ts';
import { findTarget } from '../commands/purchase-target.ts';
import { computePriceMinor } from '../rules/price.ts';
import type { CommandContext } from '../store/command-context.ts';
import { type ChargeReason, readNextCharges } from '../store/next-charge.ts';
import { readPriceList } from '../store/prices.ts';
import {
  chooseSubscription,
  readCustomerSubscriptions,
  type Subscription,
} from '../store/subscriptions.ts';

// Quotes: the price and the end of a purchase or a change of plan, without a change.
//
// A quote uses the functions of the commands, on a snapshot. It reserves nothing. It is binding
// because the command that names its price is refused at any other price.

export type Quote = {
  readonly telegram_id: number;
  /** Null for a new subscription. */
  readonly subscription_id: number | null;
  readonly action: PurchaseAction | 'changed';
  readonly plan: string;
  readonly period_days: number;
  /** The price. It is binding if the command names it. */
  readonly price: string;
  /**
   * The credit: for the unused time of an immediate change of plan, or for a revival that is
   * undone.
   */
  readonly credited: string;
  readonly balance: string;
  /** The missing part of the balance; `0` if the balance covers the price. */
  readonly missing: string;
  readonly currency: string;
  readonly starts_at: string;
  readonly ends_at: string;
  /** The charge of the next renewal without this purchase or change. */
  readonly renewal_amount: string | null;
  readonly renewal_reason: ChargeReason | null;
};

/**
 * @throws the faults of `purchase` except `short_balance`, because the answer has the missing
 *   amount
 */
export function quotePurchase(
  db: Db,
  request: Omit<Purchase, 'quotedMinor' | 'autoRenew'>,
): Promise<Quote> {
  return readSnapshot(db, request.telegramId, async (context) => {
    const prices = await readPriceList(context.tx, context.now);
    const { amountMinor } = await requirePrice(context, prices, request);
    const { target, undone } = await findTarget(context, request, amountMinor);
    const isUndone = undone.some(({ subscriptionId }) => subscriptionId === target?.id);
    const existing =
      isUndone && target
        ? ({ ...target, state: 'expired', expiresAt: context.now } as const)
        : target;
    const returnedMinor = undone.reduce((sum, revival) => sum + revival.amountMinor, 0n);
    return readQuote(
      context,
      request,
      toPurchaseAction(existing),
      existing,
      amountMinor,
      returnedMinor,
    );
  });
}

/** A quote of an immediate change. A change at the next renewal costs nothing before that. */
export function quotePlanChange(
  db: Db,
  request: Omit<PlanChange, 'quotedMinor' | 'when'>,
): Promise<Quote> {
  return readSnapshot(db, request.telegramId, async (context) => {
    const all = await readCustomerSubscriptions(context.tx, context.customer.id);
    const subscription = chooseSubscription(all, request.subscriptionId);
    requireChangeable(context, subscription);
    const prices = await readPriceList(context.tx, context.now);
    const { amountMinor } = await requirePrice(context, prices, request);
    const { creditedMinor } = await readCredits(context, request, subscription);
    const changed = { ...subscription, expiresAt: context.now };
    return readQuote(context, request, 'changed', changed, amountMinor, creditedMinor);
  });
}

async function readQuote(
  context: CommandContext,
  wanted: { readonly plan: string; readonly periodDays: number },
  action: Quote['action'],
  existing: Pick<Subscription, 'id' | 'expiresAt'> | undefined,
  priceMinor: bigint,
  creditedMinor: bigint,
): Promise<Quote> {
  const { tx, customer, now, settings } = context;
  const ids = existing === undefined ? [] : [existing.id];
  const charges = await readNextCharges(tx, customer, ids, now, settings);
  const renewal = existing && charges.get(existing.id);
  const { startsAt, endsAt } = periodBounds(existing, wanted.periodDays, now);
  const shortMinor = priceMinor - customer.balanceMinor - creditedMinor;
  const toMajor = (minor: bigint) => majorUnits(minor, customer.currency);
  return {
    telegram_id: Number(customer.telegramId),
    subscription_id: existing === undefined ? null : Number(existing.id as SubscriptionId),
    action,
    plan: wanted.plan,
    period_days: wanted.periodDays,
    price: toMajor(priceMinor),
    credited: toMajor(creditedMinor),
    balance: toMajor(customer.balanceMinor),
    missing: toMajor(shortMinor > 0n ? shortMinor : 0n),
    currency: customer.currency,
    starts_at: isoTime(startsAt),
    ends_at: isoTime(endsAt),
    renewal_amount: renewal?.amount ?? null,
    renewal_reason: renewal?.reason ?? null,
  };
}

export type Offer = {
  readonly plan: string;
  readonly period_days: number;
  readonly currency: string;
  readonly list_amount: string;
  readonly amount: string;
};

/**
 * Every price in the currency of the customer, as this customer would pay it now.
 * @throws Fault `no_customer`
 */
export function readOffers(db: Db, telegramId: bigint): Promise<Offer[]> {
  return readSnapshot(
    db,
    telegramId,
    async ({ tx, now, customer, settings }) => {
      const { entries } = await readPriceList(tx, now);
      return entries
        .filter((entry) => entry.currency === customer.currency)
        .map(({ plan, periodDays, currency, amountMinor }) => ({
          plan,
          period_days: periodDays,
          currency,
          list_amount: majorUnits(amountMinor, currency),
          amount: majorUnits(
            computePriceMinor(amountMinor, customer, settings.vipPercent),
            currency,
          ),
        }));
    },
    'list',
  );
}
