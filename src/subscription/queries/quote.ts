import type { Db } from '../../db/connect.ts';
import type { SubscriptionId } from '../../kernel/ids.ts';
import { isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import { type PlanChange, readCredits, requireChangeable } from '../commands/change-plan.ts';
import { readSnapshot } from '../commands/command.ts';
import { type Purchase, periodBounds, toPurchaseAction } from '../commands/purchase.ts';
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

// What a purchase or a change of plan would cost, and until when it would last: the same functions
// as the commands themselves, on a snapshot, with nothing written. A quote holds nothing back: it is
// binding because the command that names its price is refused at any other.

export type Quote = {
  readonly telegram_id: number;
  /** Null: a new one. */
  readonly subscription_id: number | null;
  /** `new`, `extended`, `revived`, `converted`, `changed`. */
  readonly action: string;
  readonly plan: string;
  readonly period_days: number;
  /** What it costs; named in the command, it is binding. */
  readonly price: string;
  /** What the unused time brings back, for a change of plan now; or a revival that is undone. */
  readonly credited: string;
  readonly balance: string;
  /** What the balance lacks; `0` when it covers it. */
  readonly missing: string;
  readonly currency: string;
  readonly starts_at: string;
  readonly ends_at: string;
  /** What the next renewal of the subscription takes without this purchase or change. */
  readonly renewal_amount: string | null;
  readonly renewal_reason: ChargeReason | null;
};

/** @throws Fault as `purchase`, but for `short_balance`: what is missing is in the answer */
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

/** Of a change that counts now; one at the next renewal costs nothing before that. */
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
  action: string,
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

/** Every price in the customer's currency, as this customer would pay it now. @throws `no_customer` */
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
