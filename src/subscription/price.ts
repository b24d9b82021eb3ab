import { floorShare } from '../kernel/money.ts';

// What something costs: the plan's price for the period and currency that is valid now. A VIP
// pays `vipPercent` less; for everybody else the personal discount counts. Rounded down to a
// whole minor unit, in the customer's favour. The only place where a price is computed: purchase,
// renewal, preview and quote ask it (DESIGN.md 5, "Price"; matrix R9).

export interface Discount {
  readonly vip: boolean;
  /** The customer's own, 0 to 100; doesn't add to the VIP's. */
  readonly discountPercent: number;
}

/** Percent off for this customer, 0 to 100. */
export function percentOff(customer: Discount, vipPercent: number): number {
  return customer.vip ? vipPercent : customer.discountPercent;
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
  const discountPercent = percentOff(customer, vipPercent);
  return { listMinor, discountPercent, amountMinor: priceFor(listMinor, customer, vipPercent) };
}

/** `floor(price × (100 − percent) / 100)` in minor units. */
export function priceFor(listMinor: bigint, customer: Discount, vipPercent: number): bigint {
  return floorShare(listMinor, BigInt(100 - percentOff(customer, vipPercent)), 100n);
}
