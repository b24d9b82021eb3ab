import { type Instant, never } from '../kernel/instant.ts';

// The list prices of all plans over time.
//
// 1. The price at a moment has the latest `validFrom` that is not after it. Null: there is none.
// 2. A question "what if" replaces prices from a moment on, and later prices of the same key with
//    them.

export interface DatedPrice {
  readonly plan: string;
  readonly periodDays: number;
  readonly currency: string;
  readonly validFrom: Instant;
  /** Null: from then on the plan has no price. */
  readonly amountMinor: bigint | null;
}

export type PriceKey = Pick<DatedPrice, 'plan' | 'periodDays' | 'currency'>;

const toKey = ({ plan, periodDays, currency }: PriceKey): string =>
  `${plan} ${periodDays} ${currency}`;

export class DatedPrices {
  readonly #prices: ReadonlyMap<string, readonly DatedPrice[]>;

  constructor(prices: readonly DatedPrice[]) {
    const sorted = prices.toSorted((one, other) => one.validFrom - other.validFrom);
    this.#prices = Map.groupBy(sorted, toKey);
  }

  /** The prices of one plan, length and currency, in the order of their times. */
  ofKey(key: PriceKey): readonly DatedPrice[] {
    return this.#prices.get(toKey(key)) ?? [];
  }

  /** These prices, with others from `from` on. */
  replaceFrom(from: Instant, others: readonly Omit<DatedPrice, 'validFrom'>[]): DatedPrices {
    const replaced = new Set(others.map(toKey));
    const kept = [...this.#prices.values()]
      .flat()
      .filter((price) => !replaced.has(toKey(price)) || price.validFrom < from);
    return new DatedPrices([...kept, ...others.map((price) => ({ ...price, validFrom: from }))]);
  }
}

/** The price at a moment; null: there is none. */
export function findPriceAt(prices: readonly DatedPrice[], at: Instant): bigint | null {
  for (let index = prices.length - 1; index >= 0; index -= 1) {
    const price = prices[index] as DatedPrice;
    if (price.validFrom <= at) return price.amountMinor;
  }
  return null;
}

/** The first change of the price after a moment; `never` if there is none. */
export const findNextPriceChange = (prices: readonly DatedPrice[], after: Instant): Instant =>
  prices.find(({ validFrom }) => validFrom > after)?.validFrom ?? never;
