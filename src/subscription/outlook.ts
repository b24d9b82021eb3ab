import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import type { SubscriptionKind, SubscriptionState } from '../db/schema.ts';
import { anyOf } from '../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { dayMs, type Instant, isoTime, later } from '../kernel/instant.ts';
import { type Discount, priceFor } from './price.ts';
import type { Settings } from './settings.ts';

// What will become of an active subscription at its end, as things stand now: whom a reminder is
// for, and whether a notice that was stored is still true. Goes by the same price and the same
// order as auto-renewal: a customer's balance pays for the subscriptions in the order of their end.

export type Outlook =
  /** Auto-renewal will pay for it from what is on the balance. */
  | { readonly at: 'renewed'; readonly priceMinor: bigint }
  | { readonly at: 'short'; readonly priceMinor: bigint; readonly missingMinor: bigint }
  /** Auto-renewal would, and finds no price: that is our trouble, the operator hears of it. */
  | { readonly at: 'no_price' }
  /** A trial, or auto-renewal is off. */
  | { readonly at: 'ends' };

export interface OutlookFacts extends Discount {
  readonly subscriptionId: SubscriptionId;
  readonly customerId: CustomerId;
  readonly kind: SubscriptionKind;
  readonly state: SubscriptionState;
  readonly autoRenew: boolean;
  readonly expiresAt: Instant;
  /** Of the period to come. */
  readonly periodDays: number;
  readonly balanceMinor: bigint;
  /** The list price of the next period at the moment when it will be due. */
  readonly listMinor: bigint | null;
}

/** @param all every active subscription of their customers, each customer's in order of their end */
export function outlooksOf(
  all: readonly OutlookFacts[],
  settings: Pick<Settings, 'vipPercent'>,
): Map<SubscriptionId, Outlook> {
  const earlier = new Map<CustomerId, Renewing[]>();
  const outlooks = new Map<SubscriptionId, Outlook>();
  for (const facts of all) {
    const family = earlier.get(facts.customerId) ?? [];
    earlier.set(facts.customerId, family);
    const balanceMinor = leftFor(facts.expiresAt, family, facts.balanceMinor);
    const outlook = outlookOf(facts, balanceMinor, settings);
    if ('priceMinor' in outlook) family.push({ ...facts, priceMinor: outlook.priceMinor });
    outlooks.set(facts.subscriptionId, outlook);
  }
  return outlooks;
}

/** One that auto-renewal will see to. */
export interface Renewing {
  readonly expiresAt: Instant;
  readonly periodDays: number;
  readonly priceMinor: bigint;
}

/**
 * What is left of a balance when a subscription that ends at `end` is to be renewed, after those of
 * the same customer that end before it: each takes what it can pay, in the order of their ends, a
 * short period several times.
 */
export function leftFor(end: Instant, earlier: readonly Renewing[], balanceMinor: bigint): bigint {
  const charges = earlier.flatMap((one) => chargesBefore(one, end));
  charges.sort((one, other) => one.at - other.at);
  return charges.reduce(
    (left, { priceMinor }) => (priceMinor <= left ? left - priceMinor : left),
    balanceMinor,
  );
}

function chargesBefore({ expiresAt, periodDays, priceMinor }: Renewing, end: Instant) {
  // At the same end the one that was bought first is paid first, and then ends later.
  const charges = [{ at: expiresAt, priceMinor }];
  let at = later(expiresAt, periodDays * dayMs);
  for (; at < end; at = later(at, periodDays * dayMs)) charges.push({ at, priceMinor });
  return charges;
}

function outlookOf(
  facts: OutlookFacts,
  balanceMinor: bigint,
  { vipPercent }: Pick<Settings, 'vipPercent'>,
): Outlook {
  if (facts.kind !== 'paid' || facts.state !== 'active' || !facts.autoRenew) return { at: 'ends' };
  if (facts.listMinor === null) return { at: 'no_price' };
  const priceMinor = priceFor(facts.listMinor, facts, vipPercent);
  if (balanceMinor >= priceMinor) return { at: 'renewed', priceMinor };
  return { at: 'short', priceMinor, missingMinor: priceMinor - balanceMinor };
}

/** The outlooks of all active subscriptions of these customers. One statement for all of them. */
export async function readOutlooks(
  tx: Tx,
  customers: readonly CustomerId[],
  now: Instant,
  settings: Pick<Settings, 'vipPercent' | 'windowMs'>,
): Promise<Map<SubscriptionId, Outlook>> {
  const { rows } = await sql<OutlookFacts>`
    SELECT s.id AS "subscriptionId", c.id AS "customerId", s.kind, s.state,
      s.auto_renew AS "autoRenew", s.expires_at AS "expiresAt", c.balance_minor AS "balanceMinor",
      c.vip, c.discount_percent AS "discountPercent", list.amount_minor AS "listMinor",
      coalesce(s.next_period_days, s.period_days) AS "periodDays"
    FROM perennial.customer c
    JOIN perennial.subscription s ON s.customer_id = c.id AND s.state = 'active'
    LEFT JOIN LATERAL (
      SELECT p.amount_minor FROM perennial.plan_price p
      WHERE p.plan = coalesce(s.next_plan, s.plan) AND p.currency = c.currency
        AND p.period_days = coalesce(s.next_period_days, s.period_days)
        AND p.valid_from <= greatest(${isoTime(now)}::timestamptz,
          s.expires_at - ${settings.windowMs} * interval '1 millisecond')
      ORDER BY p.valid_from DESC LIMIT 1) list ON true
    WHERE c.id = ${anyOf('bigint', customers)}
    ORDER BY c.id, s.expires_at, s.id`.execute(tx);
  return outlooksOf(rows, settings);
}
