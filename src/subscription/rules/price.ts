import { floorShare } from '../../kernel/money.ts';

// The rule for the price of a period (design, price; matrix R9).
//
// 1. The list price is the price of the plan for the length and currency that is valid now.
// 2. A VIP gets the larger of `vipPercent` and the personal discount. So a customer never pays more
//    as a VIP.
// 3. Other customers get the personal discount.
// 4. The result is rounded down to a minor unit.
//
// Purchases, renewals, previews and quotes all use this file.

export interface Discount {
  readonly vip: boolean;
  /** The personal discount, 0 to 100. It is not added to the discount of VIPs. */
  readonly discountPercent: number;
}

/** The discount of this customer in percent, 0 to 100. */
export function computePercentOff(customer: Discount, vipPercent: number): number {
  const { vip, discountPercent } = customer;
  return vip ? Math.max(vipPercent, discountPercent) : discountPercent;
}

/** A price and how it was computed. */
export interface ComputedPrice {
  readonly listMinor: bigint;
  readonly discountPercent: number;
  readonly amountMinor: bigint;
}

export function computePrice(
  listMinor: bigint,
  customer: Discount,
  vipPercent: number,
): ComputedPrice {
  const discountPercent = computePercentOff(customer, vipPercent);
  return {
    listMinor,
    discountPercent,
    amountMinor: computePriceMinor(listMinor, customer, vipPercent),
  };
}

/** `floor(price × (100 − percent) / 100)` in minor units. */
export function computePriceMinor(
  listMinor: bigint,
  customer: Discount,
  vipPercent: number,
): bigint {
  return floorShare(listMinor, BigInt(100 - computePercentOff(customer, vipPercent)), 100n);
}
