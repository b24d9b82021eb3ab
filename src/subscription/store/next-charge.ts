import type { Tx } from '../../db/connect.ts';
import type { CustomerId, SubscriptionId } from '../../kernel/ids.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';
import { majorUnits } from '../../kernel/money.ts';
import type { ForecastFacts, ForecastRules } from '../rules/forecast.ts';
import { computePriceMinor } from '../rules/price.ts';
import { computeCharge, computeChargeTime, isNotified } from '../rules/price-cap.ts';
import type { CommandContext } from './command-context.ts';
import { type ForecastSettings, readForecastRows } from './forecast-facts.ts';
import { writeChosenPrice } from './known-prices.ts';

// The charge of the next renewal with the present facts, and why it is not the list price.

/**
 * Why the amount differs from the list price. `known_price`: the customer was not notified of a
 * higher amount in time, so the lower one counts. `no_price`: the plan and length are not for sale.
 */
export type ChargeReason = 'discount' | 'known_price' | 'no_price';

export interface NextCharge {
  /** The earliest time of the charge. */
  readonly at: string;
  /** Null without a price. */
  readonly amount: string | null;
  readonly list_amount: string | null;
  /** Null: the amount is the list price. */
  readonly reason: ChargeReason | null;
}

/** The next charges of those subscriptions that will be renewed: active, paid, auto-renewal on. */
export async function readNextCharges(
  tx: Tx,
  customer: { readonly id: CustomerId; readonly currency: string },
  ids: readonly SubscriptionId[],
  now: Instant,
  settings: ForecastSettings,
): Promise<Map<SubscriptionId, NextCharge>> {
  const rows = await readForecastRows(tx, [customer.id], now, settings, ids);
  const renewing = rows.filter(
    ({ state, kind, autoRenew, isBlocked }) =>
      state === 'active' && kind === 'paid' && autoRenew && !isBlocked,
  );
  const { currency } = customer;
  return new Map(
    renewing.map((row) => [row.subscriptionId, computeNextRenewal(row, now, settings, currency)]),
  );
}

/**
 * The next renewal for the answer of a command, also of an ended subscription that can be revived.
 * For a customer who was notified of no amount, the answer is the notification.
 * @returns null: there is no next renewal
 */
export async function stateNextCharge(
  { tx, customer, now, settings }: CommandContext,
  subscriptionId: SubscriptionId,
  plan: string,
): Promise<NextCharge | null> {
  const [row] = await readForecastRows(tx, [customer.id], now, settings, [subscriptionId]);
  if (row?.kind !== 'paid' || !row.autoRenew || row.isBlocked) return null;
  const { listMinor, periodDays, prices } = row;
  if (listMinor === null || isNotified(prices)) {
    return computeNextRenewal(row, now, settings, customer.currency);
  }
  const amountMinor = computePriceMinor(listMinor, row, settings.vipPercent);
  const priced = { customerId: customer.id, subscriptionId, plan, periodDays };
  await writeChosenPrice(tx, priced, amountMinor, now);
  const known = [{ amountMinor, source: 'choice', knownAt: now }] as const;
  const stated = { ...row, prices: { paidMinor: null, known } };
  return computeNextRenewal(stated, now, settings, customer.currency);
}

/** The amount of the next renewal, and why it is not the list price. */
export function computeNextRenewal(
  facts: ForecastFacts,
  now: Instant,
  rules: ForecastRules,
  currency: string,
): NextCharge {
  const { listMinor, expiresAt, periodDays, prices } = facts;
  const { windowMs, noticeMs, vipPercent } = rules;
  const at = computeChargeTime({ expiresAt, periodDays, windowMs, noticeMs }, now);
  if (listMinor === null) {
    return { at: isoTime(at), amount: null, list_amount: null, reason: 'no_price' };
  }
  const priceMinor = computePriceMinor(listMinor, facts, vipPercent);
  const { chargeMinor } = computeCharge(priceMinor, prices, at, noticeMs);
  return {
    at: isoTime(at),
    amount: majorUnits(chargeMinor, currency),
    list_amount: majorUnits(listMinor, currency),
    reason: computeChargeReason(chargeMinor, priceMinor, listMinor),
  };
}

function computeChargeReason(
  chargeMinor: bigint,
  priceMinor: bigint,
  listMinor: bigint,
): ChargeReason | null {
  if (chargeMinor !== priceMinor) return 'known_price';
  return priceMinor === listMinor ? null : 'discount';
}
