import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import { type Instant, isoTime, later } from '../../kernel/instant.ts';
import { priceHistoryMs, priceTrialMs } from '../rules/spend-limit.ts';

/** All list prices that are valid at one moment: tens of rows, read once per batch. */
export interface PriceList {
  /** Minor units; null if plan, length or currency has no price now. */
  getMinor(plan: string, periodDays: number, currency: string): bigint | null;
  /**
   * The highest price of the last 30 days. The present price counts after 7 days. null: the first
   * price is newer.
   */
  getEarlierMinor(plan: string, periodDays: number, currency: string): bigint | null;
  readonly entries: readonly PriceListEntry[];
}

export interface PriceListEntry {
  readonly plan: string;
  readonly periodDays: number;
  readonly currency: string;
  readonly amountMinor: bigint;
}

const toPriceKey = (plan: string, periodDays: number, currency: string): string =>
  `${plan} ${periodDays} ${currency}`;

/** The valid price has the latest `valid_from` that is not after `now`. */
export async function readPriceList(db: Db | Tx, now: Instant): Promise<PriceList> {
  const { rows } = await sql<
    Omit<PriceListEntry, 'amountMinor'> & {
      readonly amountMinor: bigint | null;
      readonly isPresent: boolean;
      readonly isProven: boolean;
    }
  >`
    SELECT plan, period_days AS "periodDays", currency, amount_minor AS "amountMinor",
      until IS NULL AS "isPresent",
      until IS NOT NULL OR valid_from <= ${isoTime(later(now, -priceTrialMs))} AS "isProven"
    FROM (SELECT plan, period_days, currency, amount_minor, valid_from, lead(valid_from) OVER (
        PARTITION BY plan, period_days, currency ORDER BY valid_from) AS until
      FROM perennial.plan_price WHERE valid_from <= ${isoTime(now)}) price
    WHERE until IS NULL OR until > ${isoTime(later(now, -priceHistoryMs))}
    ORDER BY plan, period_days, currency, valid_from`.execute(db);
  const entries: PriceListEntry[] = [];
  const earlier = new Map<string, bigint>();
  for (const { isPresent, isProven, ...row } of rows) {
    const { plan, periodDays, currency, amountMinor } = row;
    if (amountMinor === null) continue;
    const key = toPriceKey(plan, periodDays, currency);
    if (isPresent) entries.push({ ...row, amountMinor });
    if (isProven && amountMinor > (earlier.get(key) ?? 0n)) earlier.set(key, amountMinor);
  }
  const prices = new Map(
    entries.map((row) => [toPriceKey(row.plan, row.periodDays, row.currency), row.amountMinor]),
  );
  return {
    getMinor: (plan, periodDays, currency) =>
      prices.get(toPriceKey(plan, periodDays, currency)) ?? null,
    getEarlierMinor: (plan, periodDays, currency) =>
      earlier.get(toPriceKey(plan, periodDays, currency)) ?? null,
    entries,
  };
}
