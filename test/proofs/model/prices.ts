// Prices, stated independently of the program (design, price): the list price with the latest start
// that is not after now. A VIP gets the better of 30% and the personal discount, others the
// personal discount. The result is rounded down to a minor unit.

export interface PriceFrom {
  readonly plan: string;
  readonly days: number;
  readonly from: number;
  /** Null: no price from then on. */
  readonly amount: number | null;
}

export const plans = ['basic', 'plus'] as const;
export const periods = [1, 7, 30] as const;

/** Odd amounts, so that every discount needs rounding. `plus` has no daily price. */
export const firstPrices: readonly PriceFrom[] = [
  { plan: 'basic', days: 1, from: 0, amount: 701 },
  { plan: 'basic', days: 7, from: 0, amount: 3_999 },
  { plan: 'basic', days: 30, from: 0, amount: 14_901 },
  { plan: 'plus', days: 7, from: 0, amount: 8_003 },
  { plan: 'plus', days: 30, from: 0, amount: 29_907 },
];

export const vipPercent = 30;

/** The free trial. */
export const trial = { plan: 'basic', days: 3 } as const;

export function findListPrice(
  list: readonly PriceFrom[],
  plan: string,
  days: number,
  now: number,
): number | null {
  let found: PriceFrom | undefined;
  for (const price of list) {
    if (price.plan !== plan || price.days !== days || price.from > now) continue;
    if (found === undefined || price.from >= found.from) found = price;
  }
  return found?.amount ?? null;
}

interface Buyer {
  readonly vip: boolean;
  readonly discount: number;
}

export const computePercent = ({ vip, discount }: Buyer): number =>
  vip ? Math.max(vipPercent, discount) : discount;

export function computePrice(customer: Buyer, list: number): number {
  return Math.floor((list * (100 - computePercent(customer))) / 100);
}
