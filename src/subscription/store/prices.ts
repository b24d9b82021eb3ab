import { sql } from 'kysely';
import type { Db, Tx } from '../../db/connect.ts';
import { type Instant, isoTime } from '../../kernel/instant.ts';

/** All list prices that are valid at one moment: tens of rows, read once per batch. */
export interface PriceList {
  /** Minor units; null if plan, length or currency has no price now. */
  getMinor(plan: string, periodDays: number, currency: string): bigint | null;
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
  const { rows } = await sql<PriceListEntry & { amountMinor: bigint | null }>`
    SELECT DISTINCT ON (plan, period_days, currency)
      plan, period_days AS "periodDays", currency, amount_minor AS "amountMinor"
    FROM perennial.plan_price
    WHERE valid_from <= ${isoTime(now)}
    ORDER BY plan, period_days, currency, valid_from DESC`.execute(db);
  const entries = rows.filter((row) => row.amountMinor !== null);
  const prices = new Map(
    entries.map((row) => [toPriceKey(row.plan, row.periodDays, row.currency), row.amountMinor]),
  );
  return {
    getMinor: (plan, periodDays, currency) =>
      prices.get(toPriceKey(plan, periodDays, currency)) ?? null,
    entries,
  };
}
