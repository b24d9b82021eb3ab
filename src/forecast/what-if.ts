import type { PriceFile } from '../config/config.ts';
import type { Db } from '../db/connect.ts';
import { UsageFault } from '../kernel/faults.ts';
import { isCurrency, tryParseMinor } from '../kernel/money.ts';
import type { DatedPrice } from './dated-prices.ts';
import { readPlanKeys } from './store.ts';

// The prices of a question "what if": from a file, or from a parameter of the API.

/** A price that applies from now on. */
export type ReplacedPrice = Omit<DatedPrice, 'validFrom'>;

/**
 * The prices of a file for a forecast: they apply from now on. Prices that the file lacks stay.
 * @param source the name of the file
 * @throws UsageFault `no_plan`
 */
export async function toReplacedPrices(
  db: Db,
  file: PriceFile,
  source: string,
): Promise<ReplacedPrice[]> {
  await requirePlans(db, Object.keys(file), (plan) => `${source}: plans.${plan}`);
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

/** @throws UsageFault `no_plan` */
export async function requirePlans(
  db: Db,
  plans: readonly string[],
  toPlace: (plan: string) => string,
): Promise<void> {
  if (plans.length === 0) return;
  const available = await readPlanKeys(db);
  const unknown = plans.find((plan) => !available.includes(plan));
  if (unknown === undefined) return;
  const list = available.join(', ') || 'none';
  const sentence = `${toPlace(unknown)}: "${unknown}" is not a plan; available: ${list}`;
  throw new UsageFault('no_plan', sentence);
}

const pricePattern = /^([a-z0-9][a-z0-9_-]{0,62})\/([1-9]\d{0,3})\/([A-Z]{3})=(\S{1,20})$/;

/**
 * Reads `basic/30/RUB=199.00`: plan, length, currency and amount. Commas separate several prices.
 * @returns undefined: the text has another form, or an amount is negative
 */
export function tryParsePrices(text: string): ReplacedPrice[] | undefined {
  const prices = text.split(',').map(tryParsePrice);
  return prices.every((price) => price !== undefined) ? prices : undefined;
}

function tryParsePrice(text: string): ReplacedPrice | undefined {
  const [, plan = '', days, currency = '', amount = ''] = pricePattern.exec(text) ?? [];
  if (days === undefined || !isCurrency(currency)) return undefined;
  const parsed = tryParseMinor(amount, currency);
  if ('wrong' in parsed || parsed.minor < 0n) return undefined;
  return { plan, periodDays: Number(days), currency, amountMinor: parsed.minor };
}
