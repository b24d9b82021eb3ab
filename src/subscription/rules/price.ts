import { floorShare } from '../../kernel/money.ts';

// The price of a period: the plan's price for the length and currency that is valid now, less a
// discount. A VIP gets the greater of `vipPercent` and the personal discount, so a customer never
// pays more as a VIP. Other customers get the personal discount. The result is rounded down to a whole
// minor unit. The only place that computes a price: purchase, renewal, preview and quote call it
// (design, price; matrix R9).

export interface Discount {
  readonly vip: boolean;
  /** The customer's own, 0 to 100; doesn't add to the VIP's. */
  readonly discountPercent: number;
}

/** Percent off for this customer, 0 to 100. */
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
