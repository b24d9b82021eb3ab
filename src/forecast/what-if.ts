import type { PriceFile } from '../config/config.ts';
import type { Db } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import { tryParseMinor } from '../kernel/money.ts';
import type { DatedPrice } from './dated-prices.ts';
import { readPlanKeys } from './store.ts';

/**
 * The prices of a file for a forecast: they apply from now on. Prices that the file lacks stay.
 * @param source the name of the file
 * @throws UsageFault `no_plan`
 */
export async function toReplacedPrices(
  db: Db,
  file: PriceFile,
  source: string,
): Promise<Omit<DatedPrice, 'validFrom'>[]> {
  const available = await readPlanKeys(db);
  const unknown = Object.keys(file).find((plan) => !available.includes(plan));
  if (unknown !== undefined) {
    const list = available.join(', ') || 'none';
    const sentence = `${source}: plans.${unknown}: "${unknown}" is not a plan; available: ${list}`;
    throw new UsageFault('no_plan', sentence);
  }
  return Object.entries(file).flatMap(([plan, { prices }]) =>
    Object.entries(prices).flatMap(([currency, byDays]) =>
      Object.entries(byDays).map(([days, amount]) => {
        const parsed = tryParseMinor(amount, currency);
        const amountMinor = 'minor' in parsed ? parsed.minor : null;
        return { plan, periodDays: Number(days), currency, amountMinor };
      }),
    ),
  );
}
