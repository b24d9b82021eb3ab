import type { KnownPriceSource } from '../../db/schema-prices.ts';
import { dayMs, type Instant, later, latest } from '../../kernel/instant.ts';

// The most that a renewal may take, and the price change that the customer is notified of.
//
// 1. A renewal takes its price, but no more than the larger of two amounts: the amount that the
//    customer paid last for the same plan and length, and an amount that the customer knows.
// 2. An amount from a message counts `renewal.notice` after the message was sent. An amount that
//    answered the customer's own choice counts at once.
// 3. A lower price counts at once. A raise that comes too late counts from the following period.
// 4. The first terms of an import or grant are no notification. While no amount counts, the least
//    of these terms and of the messages limits the charge. Without any, the price at the charge is
//    the first amount.

/** An amount that the customer was notified of and has not paid since. */
export interface KnownPrice {
  readonly amountMinor: bigint;
  readonly source: KnownPriceSource;
  readonly knownAt: Instant;
}

/** What the customer knows about the price of the next plan and length. */
export interface KnownPrices {
  /** The last charge of the same plan and length; null: there is none. */
  readonly paidMinor: bigint | null;
  /** In the order in which the customer was notified. */
  readonly known: readonly KnownPrice[];
}

export const noKnownPrices: KnownPrices = { paidMinor: null, known: [] };

const computeEffectiveAt = ({ source, knownAt }: KnownPrice, noticeMs: number): Instant =>
  source === 'message' ? later(knownAt, noticeMs) : knownAt;

/** The most that a charge at `at` may take; null: no amount is known, so nothing limits it. */
export function computeCapMinor(
  { paidMinor, known }: KnownPrices,
  at: Instant,
  noticeMs: number,
): bigint | null {
  const counting = known.filter(
    (price) => price.source !== 'terms' && computeEffectiveAt(price, noticeMs) <= at,
  );
  const amounts = counting.map((price) => price.amountMinor);
  if (paidMinor !== null) amounts.push(paidMinor);
  if (amounts.length > 0)
    return amounts.reduce((greatest, one) => (one > greatest ? one : greatest));
  return known.reduce<bigint | null>(
    (least, { amountMinor: one }) => (least === null || one < least ? one : least),
    null,
  );
}

/** What a charge at `at` takes. The one place that computes it: renewals, forecasts and answers. */
export function computeCharge(
  priceMinor: bigint,
  prices: KnownPrices,
  at: Instant,
  noticeMs: number,
): { readonly chargeMinor: bigint; readonly capMinor: bigint | null } {
  const cap = computeCapMinor(prices, at, noticeMs);
  return cap !== null && cap < priceMinor
    ? { chargeMinor: cap, capMinor: cap }
    : { chargeMinor: priceMinor, capMinor: null };
}

/** The amount that the customer expects to pay next; null: the customer knows none. */
export const computeExpectedMinor = ({ paidMinor, known }: KnownPrices): bigint | null =>
  known.at(-1)?.amountMinor ?? paidMinor;

/** The customer paid this plan and length before, or was notified of an amount. */
export const isNotified = ({ paidMinor, known }: KnownPrices): boolean =>
  paidMinor !== null || known.some(({ source }) => source !== 'terms');

/** The times of a subscription's renewals. */
export interface RenewalSchedule {
  readonly expiresAt: Instant;
  readonly periodDays: number;
  readonly windowMs: number;
  readonly noticeMs: number;
}

/** When a renewal that is not late takes its charge. */
export const computeChargeTime = (
  { expiresAt, windowMs }: RenewalSchedule,
  now: Instant,
): Instant => latest(now, later(expiresAt, -windowMs));

/** The start of the first period that an amount of a message sent at `at` counts for. */
export function computeEffectiveFrom(schedule: RenewalSchedule, at: Instant): Instant {
  const { expiresAt, periodDays, noticeMs } = schedule;
  const periodMs = periodDays * dayMs;
  const lateMs = later(at, noticeMs) - computeChargeTime(schedule, at);
  return lateMs <= 0 ? expiresAt : later(expiresAt, Math.ceil(lateMs / periodMs) * periodMs);
}

/** The price of the next renewals, beside what the next one takes. */
export interface RenewalTerms {
  /** The price without a limit. */
  readonly priceMinor: bigint;
  /** The price of the renewal after it, if a notification of it is due already; else null. */
  readonly followingMinor: bigint | null;
  readonly expectedMinor: bigint | null;
  /** See `isNotified`. */
  readonly isNotified: boolean;
  /** See `countsFrom`, of a message that is sent now. */
  readonly effectiveFrom: Instant;
}

/** A new price, and the amount that it replaces. */
export interface PriceChange {
  readonly priceMinor: bigint;
  readonly newPriceMinor: bigint;
}

/** The price change that the customer is to be notified of; undefined: the customer knows the price. */
export function computePriceChange(terms: RenewalTerms): PriceChange | undefined {
  const { expectedMinor: priceMinor, followingMinor } = terms;
  if (priceMinor === null) return undefined;
  if (terms.priceMinor !== priceMinor) return { priceMinor, newPriceMinor: terms.priceMinor };
  if (followingMinor === null || followingMinor === priceMinor) return undefined;
  return { priceMinor, newPriceMinor: followingMinor };
}

/**
 * The start of the first period that costs the new price.
 * @param chargeMinor what the next renewal takes
 */
export function computeNewPriceStart(
  newPriceMinor: bigint,
  terms: RenewalTerms,
  chargeMinor: bigint,
  { expiresAt, periodDays }: Pick<RenewalSchedule, 'expiresAt' | 'periodDays'>,
): Instant {
  if (newPriceMinor !== terms.priceMinor) {
    return latest(terms.effectiveFrom, later(expiresAt, periodDays * dayMs));
  }
  return chargeMinor === newPriceMinor ? expiresAt : terms.effectiveFrom;
}
