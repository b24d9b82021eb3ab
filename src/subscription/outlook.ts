import { sql } from 'kysely';
import type { Tx } from '../db/connect.ts';
import type { SubscriptionKind, SubscriptionState } from '../db/schema.ts';
import { anyOf } from '../db/unnest.ts';
import type { CustomerId, SubscriptionId } from '../kernel/ids.ts';
import { dayMs, type Instant, isoTime, later, latest } from '../kernel/instant.ts';
import { type Discount, priceFor } from './price.ts';
import type { Settings } from './settings.ts';

// What will become of an active subscription at its end, as things stand now: whom a reminder is
// for, and whether a notice that was stored is still true. Goes by the same price and the same
// order as auto-renewal: a customer's balance pays for the subscriptions in the order of their end,
// and one that it can't pay takes nothing.
//
// What is missing is what has to be topped up so that this one is renewed, whatever else the money
// goes to first. A top-up pays for all that end before, also for those that it was too little for
// until then, and for those that ended and come back with it; and what the balance covers of later
// ones may be taken before this one's end. So whoever tops up that much, or more, at any time until
// the end, is renewed.

export type Outlook =
  /** Auto-renewal will pay for it from what is on the balance. */
  | { readonly at: 'renewed'; readonly priceMinor: bigint }
  | {
      readonly at: 'short';
      readonly priceMinor: bigint;
      readonly missingMinor: bigint;
      /** Of the balance with what is missing: what the customer's other ones take first. */
      readonly othersMinor: bigint;
    }
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
  /** Of one that ended: nothing but a top-up brings it back. */
  readonly waitsForTopUp: boolean;
  /** Of the period to come. */
  readonly periodDays: number;
  readonly balanceMinor: bigint;
  /** The list price of the next period at the moment when it will be due. */
  readonly listMinor: bigint | null;
}

type Rules = Pick<Settings, 'vipPercent' | 'windowMs'>;

/**
 * Of those that are active. @param all each customer's in order of their end: every active one, and
 * what ended and a top-up would bring back
 */
export function outlooksOf(
  all: readonly OutlookFacts[],
  now: Instant,
  rules: Rules,
): Map<SubscriptionId, Outlook> {
  const families = Map.groupBy(all, ({ customerId }) => customerId);
  return new Map([...families.values()].flatMap((family) => ofFamily(family, now, rules)));
}

/** One that auto-renewal sees to, by its place in the order of the ends. */
interface Payer {
  readonly facts: OutlookFacts;
  readonly priceMinor: bigint;
}

function ofFamily(
  family: readonly OutlookFacts[],
  now: Instant,
  rules: Rules,
): [SubscriptionId, Outlook][] {
  const payers = family.flatMap((facts) => payerOf(facts, rules) ?? []);
  const paid = paidOf(payers, now);
  return family
    .filter(({ state }) => state === 'active')
    .map((facts) => {
      const payer = payers.find((one) => one.facts === facts);
      if (payer === undefined) return [facts.subscriptionId, unpaid(facts)];
      const { priceMinor } = payer;
      if (paid.has(payer)) return [facts.subscriptionId, { at: 'renewed', priceMinor }];
      const othersMinor = firstTo(payer, payers, paid, now, rules);
      const missingMinor = othersMinor + priceMinor - facts.balanceMinor;
      return [facts.subscriptionId, { at: 'short', priceMinor, missingMinor, othersMinor }];
    });
}

function payerOf(facts: OutlookFacts, { vipPercent }: Rules): Payer | undefined {
  if (facts.kind !== 'paid' || !facts.autoRenew || facts.listMinor === null) return undefined;
  return { facts, priceMinor: priceFor(facts.listMinor, facts, vipPercent) };
}

const unpaid = ({ kind, autoRenew }: OutlookFacts): Outlook => ({
  at: kind === 'paid' && autoRenew ? 'no_price' : 'ends',
});

/** Those that what is on the balance pays for: each takes what it can pay, in their order. */
function paidOf(payers: readonly Payer[], now: Instant): Set<Payer> {
  const paid = new Set<Payer>();
  const tried: Payer[] = [];
  for (const payer of payers) {
    const { waitsForTopUp, expiresAt, balanceMinor } = payer.facts;
    if (waitsForTopUp) continue;
    const charges = tried.flatMap((one) =>
      chargesOf(one, expiresAt, now).filter((charge) => isBefore(charge, payer)),
    );
    charges.sort((one, other) => one.at - other.at);
    const left = charges.reduce(
      (money, { priceMinor }) => (priceMinor <= money ? money - priceMinor : money),
      balanceMinor,
    );
    if (payer.priceMinor <= left) paid.add(payer);
    tried.push(payer);
  }
  return paid;
}

/** What may be taken before this one is, once there is money for it. */
function firstTo(
  payer: Payer,
  payers: readonly Payer[],
  paid: ReadonlySet<Payer>,
  now: Instant,
  { windowMs }: Rules,
): bigint {
  const until = later(payer.facts.expiresAt, windowMs);
  return payers
    .filter((one) => one !== payer)
    .flatMap((one) =>
      chargesOf(one, until, now).filter((charge) =>
        // What is paid already needs no top-up, so it may come as soon as it is due.
        paid.has(one) ? charge.at < until : isBefore(charge, payer),
      ),
    )
    .reduce((sum, { priceMinor }) => sum + priceMinor, 0n);
}

/** What is taken of one that ends at `at`. */
interface Charge {
  readonly of: SubscriptionId;
  readonly at: Instant;
  readonly priceMinor: bigint;
}

/** In the order of their ends; at the same end the one that was bought first. */
const isBefore = ({ of, at }: Charge, { facts: { expiresAt, subscriptionId } }: Payer): boolean =>
  at < expiresAt || (at === expiresAt && of < subscriptionId);

/** Its next charge, and what follows until then: a short period is charged several times. */
function chargesOf({ facts, priceMinor }: Payer, until: Instant, now: Instant): Charge[] {
  const { subscriptionId: of, state, expiresAt, periodDays } = facts;
  const charges = [{ of, at: expiresAt, priceMinor }];
  // One that comes back is paid from now on.
  let at = later(state === 'active' ? expiresAt : latest(expiresAt, now), periodDays * dayMs);
  for (; at <= until; at = later(at, periodDays * dayMs)) charges.push({ of, at, priceMinor });
  return charges;
}

/** The outlooks of all active subscriptions of these customers. One statement for all of them. */
export async function readOutlooks(
  tx: Tx,
  customers: readonly CustomerId[],
  now: Instant,
  settings: Rules & Pick<Settings, 'reviveMs'>,
): Promise<Map<SubscriptionId, Outlook>> {
  const { rows } = await sql<OutlookFacts>`
    SELECT s.id AS "subscriptionId", c.id AS "customerId", s.kind, s.state,
      s.auto_renew AS "autoRenew", s.expires_at AS "expiresAt", c.balance_minor AS "balanceMinor",
      c.vip, c.discount_percent AS "discountPercent", list.amount_minor AS "listMinor",
      s.state = 'expired' AND s.next_try_at IS NOT NULL AS "waitsForTopUp",
      coalesce(s.next_period_days, s.period_days) AS "periodDays"
    FROM perennial.customer c
    JOIN perennial.subscription s ON s.customer_id = c.id
      AND (s.state = 'active' OR (s.state = 'expired' AND s.kind = 'paid' AND s.auto_renew
        AND s.expires_at >= ${isoTime(later(now, -settings.reviveMs))}))
    LEFT JOIN LATERAL (
      SELECT p.amount_minor FROM perennial.plan_price p
      WHERE p.plan = coalesce(s.next_plan, s.plan) AND p.currency = c.currency
        AND p.period_days = coalesce(s.next_period_days, s.period_days)
        AND p.valid_from <= greatest(${isoTime(now)}::timestamptz,
          s.expires_at - ${settings.windowMs} * interval '1 millisecond')
      ORDER BY p.valid_from DESC LIMIT 1) list ON true
    WHERE c.id = ${anyOf('bigint', customers)}
    ORDER BY c.id, s.expires_at, s.id`.execute(tx);
  return outlooksOf(rows, now, settings);
}
