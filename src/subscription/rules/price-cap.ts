import type { KnownPriceSource } from '../../db/schema-prices.ts';
import { dayMs, type Instant, later, latest } from '../../kernel/instant.ts';

// The rule for the most that a renewal may take, and for notifications of price changes.
//
// 1. A renewal takes its price, but no more than the larger of two amounts. One is the amount that
//    the customer paid last for the same plan and length. The other is an amount that the customer
//    knows.
// 2. An amount from a notification counts `renewal.notice` after it was sent. An amount that
//    answered the customer's own choice counts at once.
// 3. A lower price counts at once. A raise that comes too late counts from the following period.
// 4. The first terms of an import or grant are no notification. While no amount counts, the least
//    of these terms and of the notified amounts limits the charge. Without any, the price at the
//    charge is the first amount.

/** An amount that the customer was notified of and has not paid since. */
export interface KnownPrice {
  readonly amountMinor: bigint;
  readonly source: KnownPriceSource;
  readonly knownAt: Instant;
}

/** The amounts that the customer knows for the next plan and length. */
export interface KnownPrices {
  /** The last charge of the same plan and length; null: there is none. */
  readonly paidMinor: bigint | null;
  /** In the order in which the customer was notified. */
  readonly known: readonly KnownPrice[];
}

export const noKnownPrices: KnownPrices = { paidMinor: null, known: [] };

const computeEffectiveAt = ({ source, knownAt }: KnownPrice, noticeMs: number): Instant =>
  source === 'message' ? later(knownAt, noticeMs) : knownAt;

/** The most that a charge at `at` may take; null: no amount limits it. */
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

/** Computes a charge at `at`. Renewals, forecasts and answers all use this function. */
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

/**
 * True if a charge at `at` takes the whole price, also if the customer is notified of any amount
 * before. A paid amount, or one that counts and stays known, is at least the price.
 * @param isPriceFinal the list price does not change any more, so no notification replaces the
 *   last one
 */
export function isAmountCertain(
  priceMinor: bigint,
  { paidMinor, known }: KnownPrices,
  at: Instant,
  noticeMs: number,
  isPriceFinal: boolean,
): boolean {
  if (paidMinor !== null && paidMinor >= priceMinor) return true;
  const isCounting = (price: KnownPrice) => computeEffectiveAt(price, noticeMs) <= at;
  const last = known.at(-1);
  if (isPriceFinal && last?.source === 'message' && last.amountMinor === priceMinor)
    return isCounting(last);
  return known.some(({ source, amountMinor }) => source === 'choice' && amountMinor >= priceMinor);
}

/** The amounts that a payment at `at` leaves: messages that do not count yet. */
export const keepUnpaidPrices = (
  known: readonly KnownPrice[],
  at: Instant,
  noticeMs: number,
): readonly KnownPrice[] =>
  known.length === 0
    ? known
    : known.filter(
        (price) => price.source === 'message' && computeEffectiveAt(price, noticeMs) > at,
      );

/** The amount that the customer expects to pay next; null: there is none. */
export const computeExpectedMinor = ({ paidMinor, known }: KnownPrices): bigint | null =>
  known.at(-1)?.amountMinor ?? paidMinor;

/** True if the customer paid this plan and length before, or was notified of an amount. */
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

/** The start of the first period for which an amount counts that is sent at `at`. */
export function computeEffectiveFrom(schedule: RenewalSchedule, at: Instant): Instant {
  const { expiresAt, periodDays, noticeMs } = schedule;
  const periodMs = periodDays * dayMs;
  const lateMs = later(at, noticeMs) - computeChargeTime(schedule, at);
  return lateMs <= 0 ? expiresAt : later(expiresAt, Math.ceil(lateMs / periodMs) * periodMs);
}

/** The prices of the next renewals, besides the next charge. */
export interface RenewalTerms {
  /** The price without a limit. */
  readonly priceMinor: bigint;
  /** The price of the renewal after the next one; null before its notification is due. */
  readonly followingMinor: bigint | null;
  readonly expectedMinor: bigint | null;
  /** See `isNotified`. */
  readonly isNotified: boolean;
  /** The result of `computeEffectiveFrom` for a notification that is sent now. */
  readonly effectiveFrom: Instant;
}

/** A new price, and the amount that it replaces. */
export interface PriceChange {
  readonly priceMinor: bigint;
  readonly newPriceMinor: bigint;
}

/** The price change for the next notification; undefined: the customer knows the price. */
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
